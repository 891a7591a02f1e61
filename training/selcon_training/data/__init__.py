"""Data sets in the AGD20K folder layout: finding the files, reading them, transforming and ordering them."""
