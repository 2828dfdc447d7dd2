"""What the build packs into every Python app beside the app's own files."""
