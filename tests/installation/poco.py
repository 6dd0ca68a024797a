"""How Mantid reads and rewrites a properties file, character by character: the measure for our own reader.

Written after Poco's PropertyFileConfiguration.cpp (parseLine, readChar) and `saveConfig` of Framework/Kernel/src/ConfigService.cpp.
"""


def read(content):
    """What Mantid knows after it has read a file."""
    text, found, place = content.decode("utf-8").split("`")[0], {}, 0

    def character():
        nonlocal place
        c = text[place] if place < len(text) else None
        place += 1
        if c == "\\":
            c = text[place] if place < len(text) else None
            place += 1
            if c in ("\r", "\n"):
                if c == "\r" and text[place : place + 1] == "\n":
                    place += 1
                return character()
            return {"t": "\t", "r": "\r", "n": "\n", "f": "\f"}.get(c, c)
        return None if c in ("\n", "\r") else c

    while place < len(text):
        while text[place : place + 1].isspace():
            place += 1
        if place >= len(text):
            break
        if text[place] in "#!":
            while place < len(text) and text[place] not in "\r\n":
                place += 1
            continue
        key = ""
        while place < len(text) and text[place] not in "=:\r\n":
            key += text[place]
            place += 1
        value = ""
        if text[place : place + 1] in ("=", ":"):
            place += 1
            while (c := character()) is not None:
                value += c
        found[key.strip()] = value.strip()
    return found


def save_config(content, memory):
    """The file as Workbench leaves it at its exit, with what it has in memory."""
    lines, pending = [], ""
    for physical in content.decode("utf-8").removesuffix("\n").split("\n"):
        pending = f"{pending}\n{physical}" if pending else physical
        if physical.endswith("\\"):
            continue
        line, pending = pending, ""
        key = line.split("=")[0].strip()
        if not line or key.startswith("#"):
            lines.append(line)
        elif key in memory:
            lines.append(f"{key}={memory[key]}".replace("\\", "\\\\"))
    return ("\n".join(lines) + "\n").encode("utf-8")
