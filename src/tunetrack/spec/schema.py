"""The study file as a JSON Schema (2020-12), by which editors complete, explain and check while a user types.

Everything in it is derived from the configuration models; what they cannot say to an editor (rules that tie two values
together, steps that do not divide) is left to `load_study`.
"""

from __future__ import annotations

import copy
import json
import re
from typing import Any

from pydantic import BaseModel

from tunetrack.spec.config import TrialConfig
from tunetrack.spec.study import StudyHead

__all__ = ["study_schema"]

Schema = dict[str, Any]

REF = "#/$defs/"
BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
HOVER = ("title", "description", "default")


def study_schema() -> Schema:
    """The JSON Schema of a study file.

    A value of the searched sections may be plain, a range, `choices` or `one_of`. For each model ``M`` the schema holds
    ``M`` (plain values only), ``M.searched``, and ``M.field`` for what may stand at each of its fields; where several
    models have the same field, the first one's serves all of them.
    """
    head, trial = _json_schema(StudyHead), _json_schema(TrialConfig)
    searched_models: dict[str, Schema] = {**trial.pop("$defs"), "TrialConfig": trial}
    head_models: dict[str, Schema] = head.pop("$defs")
    definitions = {name: _plain(model) for name, model in {**head_models, **searched_models}.items()}
    del definitions["TrialConfig"]
    for name, model in searched_models.items():
        definitions |= _places(name, model, searched_models)
        definitions[f"{name}.searched"] = _searched_model(name, model)
    definitions = _without_twins(definitions)
    sections = definitions.pop("TrialConfig.searched")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "tunetrack study file",
        "description": "A configuration in which some values are ranges.",
        "type": "object",
        "properties": {**_plain(head)["properties"], **sections["properties"]},
        "required": [*head["required"], *sections["required"]],
        "additionalProperties": False,
        "$defs": definitions,
    }


def _json_schema(model: type[BaseModel]) -> Schema:
    return model.model_json_schema(mode="validation", ref_template=REF + "{model}")


def _without_twins(definitions: dict[str, Schema]) -> dict[str, Schema]:
    """The same definitions, the places of equal fields made one: presets share nearly all of theirs."""
    first: dict[tuple[str, str], str] = {}
    twins: dict[str, str] = {}
    for name, definition in definitions.items():
        _, dot, key = name.partition(".")
        if dot and key != "searched":
            twins[name] = first.setdefault((key, json.dumps(definition).replace(f'"{REF}{name}"', '""')), name)
    kept = {name: definition for name, definition in definitions.items() if twins.get(name, name) == name}
    as_text = re.sub(
        rf'"{re.escape(REF)}([^"]+)"', lambda found: f'"{REF}{twins.get(found[1], found[1])}"', json.dumps(kept)
    )
    shared: dict[str, Schema] = json.loads(as_text)
    return shared


def _plain(schema: Any) -> Any:
    """A copy in which a discriminated union demands its `name`, as the models do."""
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "discriminator" in schema:
        return {**_hover(schema), **_told_apart(schema, schema["oneOf"])}
    return {key: copy.deepcopy(value) if key == "default" else _plain(value) for key, value in schema.items()}


def _told_apart(union: Schema, members: list[Schema]) -> Schema:
    """A union whose members are told apart by `name`, which some of them may do without."""
    unnamed: list[str] | None = union.get("unnamed")
    if unnamed is None:
        return {"type": "object", "required": ["name"], "anyOf": members}
    free = {f"{REF}{name}{end}" for name in unnamed for end in ("", ".searched")}
    named = [member if member.get("$ref") in free else {**member, "required": ["name"]} for member in members]
    return {"type": "object", "anyOf": named}


def _hover(schema: Schema) -> Schema:
    return {key: copy.deepcopy(schema[key]) for key in HOVER if key in schema}


def _searched_model(name: str, model: Schema) -> Schema:
    properties = {
        key: {**_hover(field), "$ref": f"{REF}{name}.{key}"} for key, field in model.get("properties", {}).items()
    }
    kept = {key: value for key, value in model.items() if key in ("title", "description", "type", "required")}
    return {**kept, "properties": properties, "additionalProperties": model["additionalProperties"]}


def _places(name: str, model: Schema, models: dict[str, Schema]) -> dict[str, Schema]:
    """What may stand at each field: the value itself, a range, choices, or branches of all these."""
    places: dict[str, Schema] = {}
    for key, field in model.get("properties", {}).items():
        places |= _place(f"{name}.{key}", field, models)
    return places


def _place(here: str, field: Schema, models: dict[str, Schema]) -> dict[str, Schema]:
    """The definition of one field, and of the entries of a list that may stand there."""
    bare = {word: value for word, value in field.items() if word not in HOVER}
    entry = f"{here}.entry"
    forms = [_searched(bare, models, entry), *_ranges(bare)]
    forms.append(_list_of("choices", _plain(bare)))
    forms.append(_list_of("one_of", {"$ref": REF + here}))
    lists = [member for member in bare.get("anyOf", [bare]) if "items" in member]
    inside = _place(entry, lists[0]["items"], models) if lists else {}
    return {here: {"anyOf": forms}, **inside}


def _searched(field: Schema, models: dict[str, Schema], entry: str) -> Schema:
    """The field's value written directly, in which deeper values may be searched; `entry` defines a list's entries."""
    if "$ref" in field:
        return {"$ref": f"{field['$ref']}.searched"}
    if "discriminator" in field:
        members = [member["$ref"].removeprefix(REF) for member in field["oneOf"]]
        direct = [{"$ref": f"{REF}{member}.searched"} for member in members]
        return _told_apart(field, [*direct, _searched_name(members, models)])
    if "anyOf" in field:
        return {"anyOf": [_searched(member, models, entry) for member in field["anyOf"]]}
    if "items" in field:
        return {**field, "items": {"$ref": REF + entry}}
    return field


def _searched_name(members: list[str], models: dict[str, Schema]) -> Schema:
    """A union whose `name` is searched: every other key must belong to all of the models that can be chosen."""
    names = {member: models[member]["properties"]["name"]["const"] for member in members}
    rules = []
    for member, name in names.items():
        properties = {key: {"$ref": f"{REF}{member}.{key}"} for key in models[member]["properties"] if key != "name"}
        rules.append(
            {
                "if": {"properties": {"name": {"anyOf": [_holding("choices", name), _holding("one_of", name)]}}},
                "then": {
                    "properties": {"name": True, **properties},
                    "additionalProperties": models[member]["additionalProperties"],
                },
            }
        )
    known = {"enum": list(names.values())}
    return {
        "properties": {"name": {"anyOf": [_list_of("choices", known), _list_of("one_of", known)]}},
        "allOf": rules,
    }


def _holding(kind: str, entry: str) -> Schema:
    listed = {"type": "array", "contains": {"const": entry}}
    return {"type": "object", "required": [kind], "properties": {kind: listed}}


def _list_of(kind: str, entry: Schema) -> Schema:
    listed = {"type": "array", "minItems": 1, "uniqueItems": True, "items": entry}
    return {"type": "object", "properties": {kind: listed}, "required": [kind], "additionalProperties": False}


def _ranges(field: Schema) -> list[Schema]:
    """The range of a numeric field, within the field's own limits; none for another field."""
    members: list[Schema] = field.get("anyOf") or field.get("oneOf") or [field]
    numeric = [m for m in members if m.get("type") in ("integer", "number") and not {"enum", "const"} & set(m)]
    return [_range(member) for member in numeric]


def _range(number: Schema) -> Schema:
    end = {"type": number["type"], **{bound: number[bound] for bound in BOUNDS if bound in number}}
    return {
        "type": "object",
        "properties": {
            "low": {**end, "description": "smallest value, included"},
            "high": {**end, "description": "largest value, included"},
            "step": {
                "type": [number["type"], "null"],
                "exclusiveMinimum": 0,
                "description": "only low, low + step, ... are tried; must divide high - low",
            },
            "log": {"type": "boolean", "default": False, "description": "search the logarithm; needs low > 0"},
        },
        "required": ["low", "high"],
        "additionalProperties": False,
        "if": {"properties": {"log": {"const": True}}, "required": ["log"]},
        "then": {"properties": {"low": {"exclusiveMinimum": 0}, "step": {"type": "null"}}},
    }
