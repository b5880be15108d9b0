import acclimate  # noqa: F401 -- before any of them imports openvino, which it keeps quiet
