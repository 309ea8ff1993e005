"""Invented films for the synthetic dataset: a catalogue that reads like a real one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.datasets.people import FIRST_NAMES, LAST_NAMES, one_of

IRREGULAR = {
    "Best Man": "Best Men",
    "Bookshelf": "Bookshelves",
    "Knife": "Knives",
    "Thief": "Thieves",
    "Wolf": "Wolves",
}


@dataclass(frozen=True)
class Genre:
    """How films of a primary genre are called.

    `share` is the weight in the catalogue, `years` the span of release years (thinner towards the start), `partners` the genres
    that come as second or third. Patterns: {a} an adjective, {n} a noun, {s} a noun in the plural, {p} a place, {f} a first
    name, {g} one of the other gender, {l} a last name, {m} another noun, {w} a number or nickname; "A(n)" becomes the right article.
    """

    share: float
    years: tuple[int, int]
    partners: tuple[str, ...]
    adjectives: tuple[str, ...]
    nouns: tuple[str, ...]
    places: tuple[str, ...]
    patterns: tuple[str, ...]


def _genre(share: float, years: tuple[int, int], partners: str, adjectives: str, nouns: str, places: str, patterns: str) -> Genre:
    """A genre from lists separated by bars."""
    lists = (tuple(text.split("|")) for text in (partners, adjectives, nouns, places, patterns))
    return Genre(share, years, *lists)


GENRES: dict[str, Genre] = {
    "Drama": _genre(
        0.2,
        (1938, 2023),
        "Romance|Crime|War|Thriller|Mystery|Musical|Comedy",
        "Last|Quiet|Long|Borrowed|Broken|Winter|Distant|Unsent|Faithful|Slow|Stolen|Open|Silver|Second|Small|Patient|Early|Northern",
        "Harvest|Lighthouse|Letter|Orchard|River|Garden|Promise|Window|Daughter|Brother|Teacher|Ferry|"
        "Photograph|Summer|Hour|Silence|Inheritance|"
        "Piano|Confession|Goodbye|Tenant|Bridge|Voyage|Road|Lesson|Verdict|Season|Homecoming",
        "Bergen|Halifax|Ashford|Willow Creek|Galway|Trieste|Hokkaido|Cape Breton|Duluth|Oaxaca|Tallinn|St. Clair|Nairobi|Saint-Malo",
        "The {a} {n}|{a} {s}|The {n} at {p}|Leaving {p}|A(n) {n} in {p}|What {f} Knew|The {l} {n}|{s} of {p}|"
        "After the {n}|The {n} of {f} {l}",
    ),
    "Comedy": _genre(
        0.18,
        (1945, 2023),
        "Romance|Drama|Crime|Musical|Action|Children's",
        "Reluctant|Perfect|Accidental|Terrible|Part-Time|Honorary|Unlikely|Nervous|Lucky|Second-Hand|Hopeless|"
        "Amazing|Slightly Used|Temporary|Decent",
        "Landlord|Best Man|Wedding|Neighbor|Roommate|Mayor|Uncle|Butler|Vacation|Divorce|Honeymoon|Genius|"
        "Gentleman|Chauffeur|Bachelor|Goalkeeper|"
        "Reunion|Waiter|Promotion|Twin|Godmother|Dentist|Accountant|Alibi",
        "Cleveland|Palm Springs|Brighton|Toledo|the Poconos|Margate|Naples|Scranton|Osaka|Winnipeg|Marseille|the Suburbs",
        "My {a} {n}|The {a} {n}|A(n) {a} {n}|Two {s} and a(n) {m}|Honeymoon in {p}|Meet the {l} Family|"
        "Nobody Told {f}|{f} Takes a Holiday|"
        "The {n} from {p}|Three {s} in {p}|Don't Call the {n}|{f}'s {a} {n}|Guess Who's in {p}|Everybody Loves {f} {l}",
    ),
    "Action": _genre(
        0.1,
        (1968, 2023),
        "Thriller|Adventure|Sci-Fi|Crime|War",
        "Maximum|Final|Hard|Rapid|Iron|Zero|Burning|Lethal|Double|Broken|Red|Hostile|Silent|Black",
        "Pursuit|Strike|Protocol|Vengeance|Target|Ambush|Verdict|Payload|Command|Standoff|Collision|Convoy|"
        "Bullet|Deadline|Overdrive|Recoil|Extraction",
        "Bangkok|Istanbul|Caracas|Manila|Kestrel Island|Macau|Odessa|Tangier|Alcatraz Bay|Mombasa|Detroit|Vladivostok",
        "{a} {n}|Escape from {p}|The {p} {n}|{n} in {p}|Last Flight to {p}|The {l} {n}|Code Name: {f}|{l}'s Law|Fire over {p}",
    ),
    "Thriller": _genre(
        0.1,
        (1955, 2023),
        "Crime|Mystery|Drama|Action|Horror|Sci-Fi",
        "Perfect|Blind|Wrong|Cold|Hidden|Final|Double|Silent|False|Private|Missing|Glass|Midnight|Last",
        "Witness|Stranger|Signal|Motive|Passenger|Suspect|Informant|Caller|Exit|Alibi|Patient|Betrayal|Hostage|Courier|Obsession|Landlady",
        "Vienna|Lisbon|Berlin|Warsaw|Reykjavik|Geneva|Budapest|Minsk|Corfu|Anchorage|Rotterdam|Quebec",
        "The {a} {n}|{a} {n}|The {p} {n}|No One Saw the {n}|Don't Trust {f}|The {n} in Room {w}|The Man from {p}|Night Train to {p}|"
        "The {l} {n}|Who Followed {f}?|The Second {n}|Nine Hours in {p}",
    ),
    "Romance": _genre(
        0.08,
        (1940, 2023),
        "Comedy|Drama|Musical|Fantasy",
        "Endless|First|Sudden|Secret|Summer|Tender|Moonlit|Impossible|Autumn|Foolish|Golden|Unexpected|Sunday",
        "Kiss|Affair|Letter|Waltz|Heart|Proposal|Engagement|Serenade|Bride|Embrace|Rendezvous|Valentine|Farewell|Rose|Sweetheart|Melody",
        "Paris|Venice|Lisbon|Capri|Kyoto|Buenos Aires|Prague|Seville|Savannah|Provence|Santorini|Nantucket|Vermont|Amalfi",
        "The {a} {n}|A(n) {a} {n}|A(n) {n} in {p}|One {n} in {p}|Dear {f}|{f} and {g}|Meet Me in {p}|Love, {f}|Last {n} in {p}|"
        "Waiting for {f}|{a} {s}|Falling for {f} {l}|An Evening in {p}",
    ),
    "Sci-Fi": _genre(
        0.07,
        (1953, 2023),
        "Action|Adventure|Thriller|Horror|Drama",
        "Distant|Artificial|Quantum|Silent|Frozen|Parallel|Infinite|Forgotten|Synthetic|Lost|Final|Crimson|Orbital",
        "Horizon|Signal|Colony|Memory|Machine|Station|Beacon|Engine|Transmission|Circuit|Paradox|Voyager|"
        "Android|Eclipse|Sector|Satellite|Protocol",
        "Europa|Titan|Andromeda|Kepler|Ganymede|Proxima|Callisto|Vega|Mars|Orion|Triton|Arcturus",
        "{a} {n}|The {a} {n}|Beyond {p}|Signal from {p}|The {p} {n}|The Last {n}|{s} of {p}|Exodus to {p}|The Day the {n} Stopped|"
        "{n} Zero|Children of {p}|Project {p}",
    ),
    "Horror": _genre(
        0.07,
        (1935, 2023),
        "Thriller|Mystery|Sci-Fi|Fantasy|Comedy",
        "Hollow|Pale|Rotten|Whispering|Bleeding|Unholy|Buried|Screaming|Crooked|Faceless|Cursed|Starving|Withered|Nameless",
        "House|Cellar|Grave|Doll|Asylum|Crypt|Mirror|Manor|Séance|Well|Scarecrow|Ritual|Chapel|Nursery|Coffin|Staircase|Shadow|Wolf",
        "Blackwood|Raven Hill|Hollow Creek|Ashgrove|Dunmoor|Salt Marsh|Grimsby Hall|Cold Harbor|Marrow Lake|Widow's Point|Thornfield",
        "The {a} {n}|The {n} at {p}|The {n} of {p}|The Haunting of {p}|It Came from the {n}|Don't Open the {n}|"
        "Night of the {a} {n}|Return to {p}|The Curse of {f} {l}|Beneath the {n}|Something in the {n}",
    ),
    "Crime": _genre(
        0.06,
        (1948, 2023),
        "Drama|Thriller|Action|Mystery|Comedy",
        "Dirty|Clean|Loaded|Crooked|Stolen|Honest|Marked|Easy|Unmarked|Rough|Counterfeit|Two-Time",
        "Payroll|Getaway|Heist|Accomplice|Bagman|Ledger|Thief|Job|Verdict|Fugitive|Racket|Safecracker|Debt|Kingpin|Stakeout|Diamond|Knife",
        "Baltimore|Palermo|Chicago|Glasgow|Kansas City|Lagos|Harlem|Newark|Naples|East London|Reno|Montreal",
        "The {a} {n}|{a} {n}|The {p} {n}|The {p} Connection|{s} of {p}|The {l} Brothers|{f} '{w}' {l}|"
        "The Last {n} in {p}|A(n) {n} for {f}|"
        "Ten {s}|Nobody Leaves {p}|The {l} Job",
    ),
    "Adventure": _genre(
        0.05,
        (1938, 2023),
        "Action|Fantasy|Children's|Drama|Western",
        "Lost|Golden|Forbidden|Emerald|Sunken|Hidden|Jade|Uncharted|Sacred|Wild|Ivory|Forgotten",
        "Temple|Compass|Expedition|Island|Crown|Treasure|Map|Caravan|Canyon|Galleon|Idol|Kingdom|Voyage|Falcon|Summit",
        "Zanzibar|Samarkand|Patagonia|the Amazon|Kathmandu|Borneo|Timbuktu|Madagascar|the Yukon|Sumatra|Petra|Cape Horn",
        "The {a} {n}|The {n} of {p}|Quest for the {a} {n}|The Road to {p}|{f} {l} and the {a} {n}|Beyond {p}|"
        "{s} of {p}|The {l} Expedition|Across {p}|Storm over {p}",
    ),
    "Children's": _genre(
        0.04,
        (1960, 2023),
        "Animation|Comedy|Adventure|Fantasy|Musical",
        "Little|Magic|Runaway|Marvelous|Clumsy|Brave|Flying|Tiny|Mischievous|Polka-Dot|Friendly|Upside-Down",
        "Puppy|Bear|Balloon|Treehouse|Pony|Snowman|Circus|Kitten|Hedgehog|Bicycle|Robot|Elephant|Penguin|Tugboat|Duckling",
        "Maple Farm|Buttercup Farm|Rabbit Hill|Pebble Bay|Summer Camp|Honeysuckle Lane|Peppermint Park|Grandma's House",
        "The {a} {n}|{f} and the {a} {n}|{f} and the {n}|My Friend the {n}|The {n} of {p}|Saving {p}|"
        "A(n) {n} Named {f}|Hooray for {f}|"
        "{f}'s {a} {n}|Christmas at {p}",
    ),
    "Animation": _genre(
        0.04,
        (1950, 2023),
        "Children's|Comedy|Adventure|Musical|Fantasy|Sci-Fi",
        "Curious|Paper|Moon|Tin|Sleepy|Sky|Thousand-Year|Velvet|Clockwork|Rainbow|Starlight|Glass",
        "Fox|Dragon|Castle|Whale|Owl|Tiger|Lantern|Sparrow|Forest|Tortoise|Cloud|Moth|Fiddler|Garden|Prince",
        "Nimbus|Tumbledown|Lanternwood|Mossvale|the Cloud Sea|Cinder Hollow|Brambleton|the Paper Moon",
        "The {a} {n}|The {n} of {p}|{f} and the {a} {n}|{a} {n}|Journey to {p}|The {n} Who Forgot|"
        "The {n} and the {m}|The Secret of {p}|"
        "Once upon a(n) {n}|Song of the {n}",
    ),
    "Mystery": _genre(
        0.03,
        (1940, 2023),
        "Crime|Thriller|Drama|Film-Noir",
        "Missing|Locked|Seventh|Poisoned|Vanishing|Scarlet|Unsigned|Curious|Veiled|Forgotten|Thirteenth",
        "Heiress|Manuscript|Corridor|Portrait|Key|Widow|Clue|Envelope|Butler|Cipher|Bookshelf|Housekeeper|Telegram|Necklace",
        "Harrow Hall|Pendleton Abbey|Oxford|Bath|the Orient|Dorset|Larkspur House|Monte Carlo|Edinburgh|Cairo",
        "The {a} {n}|The Case of the {a} {n}|The {l} Mystery|Murder at {p}|The Vanishing of {f} {l}|"
        "Who Killed {f} {l}?|A(n) {n} from {p}|"
        "The {n} of {p}|Inspector {l} Investigates|Death of a(n) {n}",
    ),
    "Fantasy": _genre(
        0.03,
        (1958, 2023),
        "Adventure|Children's|Romance|Action|Animation",
        "Silver|Enchanted|Shadow|Eternal|Ancient|Winter|Raven|Sunless|Whispering|Dreaming|Ember|Forsaken",
        "Sword|Crown|Sorcerer|Dragon|Realm|Throne|Prophecy|Amulet|Knight|Gate|Oracle|Unicorn|Witch|Tower|Spell",
        "Eldermoor|Avalon|Thornreach|Valdoria|Greyhaven|the Nine Rivers|Wintermere|Caldris|the Hollow Hills",
        "The {a} {n}|The {n} of {p}|The {a} {n} of {p}|{s} of {p}|The Last {n}|Chronicles of {p}|"
        "The {n} and the {m}|Rise of the {a} {n}|"
        "{f} and the {a} {n}|Daughter of {p}",
    ),
    "War": _genre(
        0.03,
        (1942, 2023),
        "Drama|Action|Romance|Adventure",
        "Forgotten|Fallen|Long|Distant|Bitter|Unknown|Lost|Longest|Wounded|Thin",
        "Regiment|Bridge|Soldier|Battalion|Trench|Convoy|Armistice|Patrol|Squadron|Sergeant|March|Outpost|Submarine|Winter",
        "Tobruk|Arnhem|Verdun|Leningrad|Anzio|Narvik|Malta|Dunkirk|Gallipoli|Ypres|Saigon|Rangoon|Bastogne|Crete",
        "The {a} {n}|The {n} at {p}|The Road to {p}|Letters from {p}|Before {p} Fell|{s} of {p}|No Medals for {p}|Six Days in {p}|"
        "Corporal {l}|The Siege of {p}",
    ),
    "Western": _genre(
        0.02,
        (1938, 1985),
        "Action|Adventure|Drama|Comedy",
        "Lonesome|Dusty|Restless|Unforgiving|Crooked|Lone|Scarlet|Bitter|Wayward|Silver",
        "Rider|Gunslinger|Saddle|Outlaw|Sheriff|Stagecoach|Canyon|Ranch|Posse|Deputy|Drifter|Mustang|Spur",
        "Laredo|Cheyenne|Abilene|Dry Gulch|Tucson|Red Mesa|Durango|Silver Creek|Santa Rosa|Bitterroot|Amarillo",
        "The {a} {n}|The {n} from {p}|{p} {n}|Sundown at {p}|Last Train to {p}|The {p} {n}|{s} of {p}|Showdown in {p}|A Noose for {l}|"
        "{l}'s Revenge|Ride to {p}",
    ),
    "Musical": _genre(
        0.02,
        (1936, 2023),
        "Comedy|Romance|Drama|Children's",
        "Dancing|Singing|Swinging|Dazzling|Blue|Broadway|Rhinestone|Golden|Velvet|Saturday",
        "Shoes|Serenade|Chorus|Cabaret|Trumpet|Melody|Ballroom|Revue|Nightingale|Jukebox|Encore|Rhapsody|Tango|Lullaby",
        "Broadway|Havana|Harlem|Memphis|Montmartre|Rio|Nashville|New Orleans|Vienna|Coney Island",
        "The {a} {n}|{a} {n}|{n} in {p}|Stardust over {p}|Hello, {f}!|Moonlight on {p}|The {p} {n}|"
        "Sing It, {f}|{n} for {f}|Curtain Up in {p}",
    ),
    "Documentary": _genre(
        0.03,
        (1965, 2023),
        "War|Musical|Crime|Adventure",
        "Invisible|Vanishing|Secret|Hidden|Unfinished|Last|Forgotten",
        "Glacier|Beekeeper|Lighthouse|Coral Reef|Library|Marathon|Orchestra|Railway|Harvest|Volcano|"
        "Chess Player|Fishing Village|Museum|Desert|Newspaper",
        "Svalbard|Detroit|Sarajevo|Patagonia|Kolkata|Havana|Chernobyl|Soweto|the Sahara|Greenland|Varanasi",
        "Inside the {n}|The {a} {n}|The Secret Life of {s}|{p}: A Portrait|Voices of {p}|The {n} Years|"
        "Searching for {f} {l}|{s} of {p}|"
        "A Year in {p}|{f} {l}: In Her Own Words|The Men Who Built {p}",
    ),
    "Film-Noir": _genre(
        0.02,
        (1940, 1959),
        "Crime|Mystery|Thriller",
        "Crimson|Velvet|Midnight|Smoky|Cruel|Dead|Rainy|Fatal|Lonely|Cheap",
        "Alley|Dame|Cigarette|Boulevard|Blonde|Corner|Trigger|Detour|Pier|Streetlight|Gardenia|Nightcap|Stranger",
        "Union Station|Skid Row|Bay City|Pier Nine|the Tenderloin|Bunker Hill|Sunset Street|Cannery Row",
        "The {a} {n}|{a} {n}|{n} at Midnight|The {n} on {p}|Farewell, {f}|A(n) {a} {n}|Murder on {p}|"
        "Kiss the {n} Goodbye|The {l} Affair|"
        "Shadows over {p}",
    ),
}

_ROOMS = ("7", "11", "12", "19", "23", "27", "31", "44", "101", "204", "313", "909")
_NICKNAMES = ("Lucky", "Two-Fingers", "The Clerk", "Dice", "Velvet", "Smiles", "The Pilot", "Nickels", "Ace", "Mouse", "The Tailor", "Silk")


def films(count: int, draw: np.random.Generator) -> tuple[list[str], list[tuple[str, ...]], np.ndarray]:
    """Titles with their year, all different, the genres of each film (primary first) and the release years."""
    shares = np.cumsum([genre.share for genre in GENRES.values()])
    primary = np.searchsorted(shares[:-1] / shares[-1], draw.random(count), side="right")
    names = tuple(GENRES)
    titles: dict[str, int] = {}
    used: set[str] = set()
    all_genres = []
    for number in primary:
        name = names[number]
        genre = GENRES[name]
        start, end = genre.years
        year = start + int((end - start + 1) * draw.random() ** 0.5)
        title = _title(genre, draw)
        # A title comes again, as a remake with another year, only where a genre's titles run out.
        for _attempt in range(50):
            if title not in used:
                break
            title = _title(genre, draw)
        while f"{title} ({year})" in titles:
            title, year = _title(genre, draw), start + int((end - start + 1) * draw.random())
        used.add(title)
        titles[f"{title} ({year})"] = year
        partners = [partner for partner in genre.partners if draw.random() < 1.2 / len(genre.partners)][:2]
        all_genres.append((name, *partners))
    return list(titles), all_genres, np.array(list(titles.values()))


def _title(genre: Genre, draw: np.random.Generator) -> str:
    noun, other = one_of(genre.nouns, draw), one_of(genre.nouns, draw)
    while other == noun:
        other = one_of(genre.nouns, draw)
    names = FIRST_NAMES["female"], FIRST_NAMES["male"]
    flip = draw.random() < 0.5
    # The patterns stand from plain to peculiar; the square keeps the peculiar ones rare.
    pattern = genre.patterns[int(draw.random() ** 2 * len(genre.patterns))]
    extra = one_of(_NICKNAMES if "'{w}'" in pattern else _ROOMS, draw)
    title = pattern.format(
        a=one_of(genre.adjectives, draw),
        n=noun,
        m=other,
        s=_plural(noun),
        p=one_of(genre.places, draw),
        f=one_of(names[0] if flip or "Her" in pattern else names[1], draw),
        g=one_of(names[1 if flip else 0], draw),
        l=one_of(LAST_NAMES, draw),
        w=extra,
    )
    for article in ("A", "a"):
        before, found, after = title.partition(f"{article}(n) ")
        if found:
            vowel = after.startswith(("A", "E", "I", "O", "U", "Hour", "Honor", "Honest", "Heir")) and not after.startswith(("Uni", "One"))
            title = f"{before}{article}{'n' if vowel else ''} {after}"
    return title[0].upper() + title[1:]


def _plural(noun: str) -> str:
    if noun in IRREGULAR:
        return IRREGULAR[noun]
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    if noun.endswith(("s", "sh", "ch", "x")):
        return noun + "es"
    return noun + "s"
