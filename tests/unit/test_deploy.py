"""What `deploy/` and its page say is valid, by the formats' own schemas, and fits together and our command line."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import kubernetes_validate
import pytest
from ruamel.yaml import YAML

from study_support import ROOT
from tunetrack.cli import main
from tunetrack.spec.loading import load_study

DEPLOY = ROOT / "deploy"
KUBERNETES = "1.32"


def documents(path: Path) -> list[dict[str, Any]]:
    with path.open() as file:
        return list(YAML(typ="safe").load_all(file))


def manifests() -> list[dict[str, Any]]:
    """All but kustomize's own file, which no cluster sees."""
    paths = sorted(set((DEPLOY / "kubernetes").glob("*.yaml")) - {DEPLOY / "kubernetes" / "kustomization.yaml"})
    return [document for path in paths for document in documents(path)]


def containers() -> Iterator[dict[str, Any]]:
    for manifest in manifests():
        template = manifest.get("spec", {}).get("template", {})
        yield from template.get("spec", {}).get("containers", [])


def services() -> dict[str, dict[str, Any]]:
    (compose,) = documents(DEPLOY / "compose.yaml")
    return dict(compose["services"])


def command_lines() -> list[list[str]]:
    """Every command line of ours: of both kinds of files, of what `lead` makes of its own, and of the page."""
    found = [one.get("command", []) for one in (*services().values(), *containers())]
    page = (ROOT / "docs" / "deployment.md").read_text()
    for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL):
        lines = block.replace("\\\n", " ").splitlines()
        found += [shlex.split(line, comments=True) for line in lines if "tunetrack " in line]
    lines = []
    for words in found:
        if words[:1] == ["lead"]:
            _, name, file, *options = words
            lines += [["tunetrack", "resume", name, *options], ["tunetrack", "run", file, *options]]
        while words and "=" in words[0]:  # a variable for this command
            words = words[1:]
        if words[:1] == ["tunetrack"]:
            lines.append(words)
    return lines


def test_compose_file_is_one() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run(
        [*command, str(DEPLOY / "compose.yaml")], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("manifest", manifests(), ids=lambda one: f"{one['kind']}-{one['metadata']['name']}")
def test_manifest_is_one(manifest: dict[str, Any]) -> None:
    assert kubernetes_validate.validate(manifest, KUBERNETES, strict=True) == KUBERNETES


def test_kustomization_names_every_file_but_the_other_kind_of_workers() -> None:
    (kustomization,) = documents(DEPLOY / "kubernetes" / "kustomization.yaml")
    there = {path.name for path in (DEPLOY / "kubernetes").glob("*.yaml")}
    assert set(kustomization["resources"]) == there - {"kustomization.yaml", "workers-gpu.yaml"}


def test_our_command_lines_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("click.Path.convert", lambda self, value, *_: value)  # files that are in a container alone
    lines = command_lines()
    assert {words[1] for words in lines} >= {"run", "resume", "worker", "serve"}
    for words in lines:
        with click.Context(main, info_name="tunetrack") as context:
            name, found, rest = main.resolve_command(context, words[1:])
            assert found is not None, words
            found.make_context(name, list(rest), parent=context)


def test_what_the_manifests_refer_to_is_there() -> None:
    kinds: dict[str, dict[str, dict[str, Any]]] = {}
    for manifest in manifests():
        kinds.setdefault(manifest["kind"], {})[manifest["metadata"]["name"]] = manifest
    images = {container["image"] for container in containers()}
    assert images == {"tunetrack", "postgres:17", "chrislusf/seaweedfs:3.97"}
    for container in containers():
        for source in container.get("envFrom", []):
            assert source["configMapRef"]["name"] in kinds["ConfigMap"]
        given = set()
        for variable in container.get("env", []):
            if "valueFrom" in variable:
                secret = variable["valueFrom"]["secretKeyRef"]
                assert secret["key"] in kinds["Secret"][secret["name"]]["stringData"]
            for used in re.findall(r"\$\((\w+)\)", variable.get("value", "")):
                assert used in given  # Kubernetes replaces those alone that come before
            given.add(variable["name"])
            for host in re.findall(r"@(\w+)/", variable.get("value", "")):
                assert host in kinds["Service"]
    for name, service in kinds["Service"].items():
        served = (*kinds["StatefulSet"].values(), *kinds["Deployment"].values())
        labels = [one["spec"]["template"]["metadata"]["labels"] for one in served]
        assert service["spec"]["selector"] in labels, name
    keys = kinds["Secret"]["passwords"]["stringData"]
    assert keys["s3"] in kinds["Secret"]["object-store"]["stringData"]["s3.json"]


def test_study_in_the_cluster_is_the_one_that_the_workers_join() -> None:
    (study,) = (one["data"]["study.yaml"] for one in manifests() if one["metadata"]["name"] == "study")
    spec = load_study(YAML(typ="safe").load(study))
    joined = [c["command"][2] for c in containers() if c.get("command", [])[:2] == ["tunetrack", "worker"]]
    led = [c["command"][1] for c in containers() if c.get("command", [])[:1] == ["lead"]]
    assert set(joined) == set(led) == {spec.name}


def test_every_service_of_the_compose_file_starts_after_what_it_needs() -> None:
    found = services()
    for name, service in found.items():
        assert set(service.get("depends_on", [])) <= set(found), name
