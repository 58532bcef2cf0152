"""Write the calls of TensorRT that its stand-in does not have: ``NvInferImpl.h OUTPUT``.

Which calls there are differs from version to version, so they are read from the headers that are
there. Each ends the program with its name: the engine must not make it.
"""

import re
import sys

CLASSES = ("VRuntime", "VCudaEngine", "VExecutionContext")
CALL = re.compile(r"virtual\s+([^;{}]*?)\s*=\s*0\s*;")


def unused(header: str, name: str) -> str:
    """A class with all that is purely virtual in ``name``."""
    body = re.search(rf"class {name} : public VRoot\s*{{(.*?)\n}};", header, re.S)
    calls = [" ".join(call.split()) for call in CALL.findall(body[1])]
    named = [(call, re.match(r".*?(\w+)\(", call)[1]) for call in calls]
    lines = [f'    {call} override {{ unexpected("{name}::{method}"); }}' for call, method in named]
    return "\n".join([f"class Unused{name} : public {name} {{", "public:", *lines, "};"])


def main(source: str, output: str) -> None:
    """Read the header, without its comments, and write the classes."""
    with open(source, encoding="utf-8") as file:
        header = re.sub(r"//[^\n]*", "", file.read())
    classes = "\n\n".join(unused(header, name) for name in CLASSES)
    with open(output, "w", encoding="utf-8") as file:
        file.write(f"namespace nvinfer1 {{\nnamespace apiv {{\n{classes}\n}}\n}}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
