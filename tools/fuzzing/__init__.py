"""What tools/fuzz_messages.py and tools/fuzz_files.py are made of."""
