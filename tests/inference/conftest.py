"""pytest puts the folder of this file on sys.path, so that tests in folders below find made_up_models.py."""
