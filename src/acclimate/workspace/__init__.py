"""What a project's settings name, as objects. The rooms below get settings, never a project."""
