"""What a prompt asks to be drawn, in English and Russian. Begin with `find_subjects`."""

from __future__ import annotations

import re

RUSSIAN_ENDINGS = (
    "а я ы и у ю е о ь ой ей ою ею ом ем ью ов ев ам ям ами ями ах ях"
    " ый ий ая яя ое ее ые ие ого его ому ему ым им ых их ую юю ыми ими"
)


def find_subjects(prompt: str) -> set[str]:
    """The subjects (keys of `WORDS`) that a prompt names as whole words: "lighthouse" does not name a house."""
    words = re.findall(r"\w+", prompt.lower().replace("ё", "е"))
    return {SUBJECT_OF_FORM[word] for word in words if word in SUBJECT_OF_FORM}


def _forms(word: str) -> list[str]:
    """An English word and its plural; a Russian stem, which ends with *, with each ending; else the word alone."""
    if word.endswith("*"):
        return [word[:-1] + ending for ending in ("", *RUSSIAN_ENDINGS.split())]
    return [word, word + "s", word + "es"] if word.isascii() else [word]


WORDS = {
    "lighthouse": "lighthouse beacon маяк* маячок маячк*",
    "cat": "cat kitten kitty kitties кот* котик* котенок котенк* котят* кошк* кошек кошеч* кошач* киск*",
    "dog": "dog puppy puppies пес пса псу псом псе псы псов собак* собач* щенок щенк* щенят*",
    "house": "house cottage cabin hut home roof дом дома дому домом доме домов домик* изб* хижин* крыш*",
    "ship": "ship boat yacht sail sailboat корабл* кораблик* лодк* лодок лодочк* яхт* парус* парусник*",
    "flowers": "flower rose tulip meadow цветок цветк* цветы цветов цветам цветами цветах роз* тюльпан* луг* ромашк*",
    "sea": "sea seaside ocean lake wave beach river coast shore мор* морск* океан* озер* волн* пляж* рек* берег*",
    "forest": "forest tree wood pine fir лес* лесн* дерев* деревь* сосн* сосен ель елью елей елк* елок тайг*",
    "mountains": "mountain alps peak summit гор* горн* вершин* скал* альп*",
    "city": "city cities town street skyline skyscraper город* городск* улиц* небоскреб*",
    "night": "night moon star space midnight ночь ночи ночью ночей ночн* лун* лунн* звезд* космос* космическ*",
    "sunset": "sunset sunrise evening dusk dawn autumn закат* рассвет* вечер* вечерн* осен* осенн*",
    "winter": "snow snowy snowman winter ice icy frost снег* снежн* зим* зимн* мороз* морозн* лед льд* ледян*",
    "storm": "storm stormy rain rainy thunder lightning гроз* грозов* дожд* шторм* буря бури буре бурю бурей",
}
SUBJECT_OF_FORM = {form: subject for subject, words in WORDS.items() for word in words.split() for form in _forms(word)}
