"""libvirt's documents, read and written; pure, and safe with documents from strangers."""
