"""The functions of `import dropbench`: the commands, with answers that are objects.

Importing this loads nothing heavy. Each function carries out what the command of its name does, by the same code.
"""
