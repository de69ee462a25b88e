"""A little corpus in the format of OntoNotes, written for these tests."""

SONG = """#begin document (nw/x/song); part 000
nw/x/song 0 0 Zoë NNP (TOP(S(NP* - - - Speaker#1 (PERSON* (ARG0* * (3
nw/x/song 0 1 Berg NNP *) - - - Speaker#1 *) *) * 3)
nw/x/song 0 2 sang VBD (VP* sing 01 2 Speaker#1 * (V*) * -
nw/x/song 0 3 and CC * - - - Speaker#1 * * * -
nw/x/song 0 4 praised VBD * praise 01 1 Speaker#1 * * (V*) -
nw/x/song 0 5 her PRP$ (NP* - - - Speaker#1 * * (ARG1* (3)|(5
nw/x/song 0 6 home NN *)) - - - Speaker#1 * * *) 5)
nw/x/song 0 7 /. . *)) - - - Speaker#1 * * * -

nw/x/song 0 0 Oslo NNP (TOP(NP*)) - - - - (GPE) -
#end document
#begin document (nw/x/song); part 001
nw/x/song 1 0 ( ( - - - - - * -
nw/x/song 1 1 Yes UH - - - - - * -
#end document
"""

OTHER = """#begin document (bc/y/talk); part 000
bc/y/talk 0 0 Hi UH (TOP*) - - - A * -

#end document
"""


def write(folder):
    for name, text in {
        "english/nw/x/song.gold_conll": SONG,
        "english/bc/y/talk.v4_gold_conll": OTHER,
        "english/pt/z/mark.gold_conll": OTHER.replace("Hi", "Mark"),
        "english/nw/x/README": "no data",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder
