"""Shows that killing, freezing and starving a study loses nothing: real processes, a real MLflow server, real files."""
