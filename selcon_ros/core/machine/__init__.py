"""The processor, the memory and the processes that a program has."""
