"""Free pictures, textures and meshes out of packages, collected by the lists in `lists/`."""
