from nerkd_local.settings import load_settings, save_settings  # noqa: F401  (moved; removed soon)
