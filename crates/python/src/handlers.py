"""Prints which handlers the class `Default` of a Worker's file has, one a line."""

import ast
import sys

path = sys.argv[1]
try:
    with open(path, encoding="utf-8") as file:
        tree = ast.parse(file.read(), path)
except SyntaxError as error:
    sys.exit(f'  File "{path}", line {error.lineno}\n{type(error).__name__}: {error.msg}')

for node in tree.body:
    if isinstance(node, ast.ClassDef) and node.name == "Default":
        for member in node.body:
            if isinstance(member, (ast.FunctionDef, ast.AsyncFunctionDef)):
                print(member.name)
