"""Invented people for the synthetic dataset."""

from __future__ import annotations

import numpy as np


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FIRST_NAMES: dict[str, tuple[str, ...]] = {
    "female": _words(
        "Maya Aisha Ingrid Sofia Mei Priya Hannah Fatima Clara Naomi Zuri Elena Yuki Amara Lucia Freya Leila "
        "Rosa Ines Nadia Olga Keiko Tara "
        "Beatriz Sunita Mina Greta Adaeze Carmen Esther Linh Paula Ruth Salma Vera Wanjiru Xiomara Anneli "
        "Dalia Ebba Farah Gloria Hana Iris "
        "Jasmine Kavya Lena Margot Noor Ophelia Petra Quinn Renata Shirin Tamar Ursula Valeria Willa Yara Zofia"
    ),
    "male": _words(
        "Omar Lukas Kenji Mateo Arjun Samuel Tunde Viktor Andre Hassan Diego Erik Jamal Pavel Rafael Thabo Wei "
        "Yusuf Anders Bilal Carlos Dmitri "
        "Emeka Felix Gabriel Hugo Ivan Jonas Kofi Leandro Marco Nikhil Oscar Pedro Quentin Ravi Stefan Tomas "
        "Umar Vincent Walter Xavier Yannick "
        "Zane Akira Boris Cedric Daniel Elias Farid George Henrik Isaac Julian Kwame Liam Milan Nathan Otto Piotr"
    ),
}
LAST_NAMES = _words(
    "Lindqvist Okafor Tanaka Moreno Sharma Novak Haddad Jensen Rossi Kim Mbeki Petrov Alvarez Nguyen Schmidt "
    "Dubois Rahman Costa Ivanova Park "
    "Osei Larsen Garcia Yamamoto Singh Kowalski Farouk Andersen Bianchi Chen Dlamini Sokolov Herrera Tran "
    "Weber Laurent Hussain Silva Popov Choi "
    "Mensah Berg Torres Suzuki Patel Horvath Mansour Nilsen Conti Wang Nkosi Volkov Castillo Pham Fischer "
    "Moreau Malik Pereira Orlov Lee "
    "Adeyemi Holm Ramirez Sato Gupta Nemeth Khalil Dahl Greco Liu Kamau Morozov Vargas Vo Keller Girard Siddiqui Almeida Fedorov Jung "
    "Achebe Strand Mendoza Ito Reddy Dvorak Nasser Hagen Marino Zhang Abara Lebedev Rojas Bui Vogel Lambert "
    "Qureshi Barbosa Smirnov Walker "
    "Eze Vik Delgado Mori Iyer Szabo Saleh Lund Ferrari Huang Banda Bennett Soto Ly Brandt Fournier Aziz Ramos Murphy Clarke"
)


def people(count: int, draw: np.random.Generator) -> tuple[list[str], list[str]]:
    """Names in alphabetical order, all different, and the gender of each. Middle initials come where plain names run out."""
    found: dict[str, str] = {}
    plain = len(LAST_NAMES) * sum(map(len, FIRST_NAMES.values())) // 2
    while len(found) < count:
        gender = "female" if draw.random() < 0.45 else "male"
        first, last = one_of(FIRST_NAMES[gender], draw), one_of(LAST_NAMES, draw)
        initial = f" {one_of(tuple('ABCDEFGHJKLMNOPRSTVW'), draw)}." if len(found) >= plain else ""
        found.setdefault(f"{first}{initial} {last}", gender)
    names = sorted(found)
    return names, [found[name] for name in names]


def one_of(words: tuple[str, ...], draw: np.random.Generator) -> str:
    """A word by chance."""
    return words[int(draw.random() * len(words))]
