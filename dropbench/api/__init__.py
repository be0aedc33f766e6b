"""The functions of `import dropbench`: the commands, which return objects.

Importing this loads nothing heavy. Each function does the same as the command of its name, with the same code.
"""
