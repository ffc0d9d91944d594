"""Pure data: the study file's models, its search space, and the records that pass between the other folders."""
