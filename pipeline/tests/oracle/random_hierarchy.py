"""Random plants that are sold, moved and known late: what --hierarchy adds to a random folder.

Instants come from a short pool, so that sales meet to the second, overlap, or leave a gap of less
than a minute. Each folder has its grain: whole days keep the grids coarse, odd seconds break them.
"""

from quantity import DAY, HOUR, MICROS, MINUTE
from random_batches import PERIODS, PROVIDERS

REGIONS = ("", "Ege", "Marmara", "İç Anadolu", "Ege, kuzey")
PLANT_TYPES = ("wind", "solar", "", 'hydro "run"')
NAMES = ("Akköprü HES", "Soma", "Ṣırnak RES, 2")
POWERS = ("", "", "50")
GRAINS = ("days", "half hours", "quarters", "minutes", "seconds")
UNIT_COLUMNS = ["unit_type", "unit_no", "name", "plant_type", "installed_power_mw", "zone", "region", "valid_from"]
MEMBERSHIP_COLUMNS = ["parent_type", "parent_no", "child_type", "child_no", "valid_from", "valid_to"]

# What a reader may ask for; everything divides the day, little of it divides the rest.
COMMON_PERIODS = (5, 10, 15, 30, 60, 120, 1440)
AWKWARD_PERIODS = (1, 8, 9, 20, 32, 36, 45, 48, 80, 90, 96, 160, 720)


def periods_to_ask(rng):
    """None for the grids, two usual periods and an awkward one."""
    return [None, *rng.sample(COMMON_PERIODS, 2), rng.choice(AWKWARD_PERIODS)]


def widen(world):
    """More plants that report side by side for few providers, and own series of companies and groups."""
    rng = world.rng
    world.wide = True
    units = [("PP", number) for number in range(1, rng.randint(4, 8))]
    units += [("CMP", number) for number in range(1, rng.randint(3, 4))]
    units += [("GRP", number) for number in range(1, rng.randint(2, 3))]
    world.series = []
    palette = rng.sample(PERIODS, rng.randint(1, 3))
    for kind, provider, share in [("forecast", name, 0.8) for name in rng.sample(PROVIDERS, 2)] + [
        ("actual", "Meter", 0.5)
    ]:
        for unit in units:
            if rng.random() < (share if unit[0] == "PP" else share / 3):
                periods = rng.sample(palette, min(len(palette), rng.choice((1, 1, 2, 3))))
                world.series += [(kind, unit, provider, period) for period in periods]
    world.series = world.series or [("forecast", ("PP", 1), PROVIDERS[0], 60)]


def hierarchy_files(world):
    """(name, columns, records) of the files that say who belongs where."""
    rng = world.rng
    instants = draw_instants(world)
    units = sorted({unit for _, unit, _, _ in world.series} | {("CMP", 1), ("CMP", 2), ("GRP", 1)})
    # Named by no other file, and yet a member.
    units += [("PP", 77)] if rng.random() < 0.3 else []
    if rng.random() < 0.85:
        yield "units", UNIT_COLUMNS, versions_of(world, [unit for unit in units if unit != ("PP", 77)], instants)
    if rng.random() < 0.95:
        yield "memberships", MEMBERSHIP_COLUMNS, memberships_of(world, units, instants)


def draw_instants(world):
    """Mostly in the hot days, where the curves are; some at their ends."""
    rng = world.rng
    grain = rng.choice(GRAINS + ("all of them",) * 3)
    instants = []
    for _ in range(rng.randint(4, 9)):
        instant = world.first_day + rng.choice((0, 1, 1, 1, 2, 2, 2, 3)) * DAY
        one = rng.choice(GRAINS) if grain == "all of them" else grain
        if one != "days":
            instant += rng.choice((0, 1, 2, 6, 7, 8, 18, 21, 22, 23)) * HOUR
        if one == "half hours":
            instant += rng.choice((0, 30)) * MINUTE
        elif one == "quarters":
            instant += rng.choice((15, 45)) * MINUTE
        elif one in ("minutes", "seconds"):
            instant += rng.choice((1, 7, 29, 59, rng.randrange(60))) * MINUTE
        if one == "seconds":
            instant += rng.choice((1, 30 * MICROS, 59 * MICROS, rng.randrange(MINUTE)))
        instants.append(instant)
    if grain in ("seconds", "all of them"):  # within the minute of another
        instants += [instant + rng.randrange(40) * MICROS for instant in rng.sample(instants, 2)]
    return sorted(instants)


def recorded_early(world):
    """Mostly from always on, so that few saves meet an unknown unit."""
    pool = world.recorded_pool
    return world.rng.choice(pool[: 1 + len(pool) // 2]) if world.rng.random() < 0.3 else ""


def recorded_late(world):
    return world.rng.choice(world.recorded_pool[len(world.recorded_pool) // 3 :])


def versions_of(world, units, instants):
    """Versions that change region and plant type, some of them said again otherwise."""
    rng = world.rng
    records = []

    def say(unit, valid_from, recorded):
        cells = {"unit_type": unit[0], "unit_no": str(unit[1]), "name": rng.choice(NAMES), "zone": "Europe/Istanbul"}
        cells |= {"plant_type": rng.choice(PLANT_TYPES), "region": rng.choice(REGIONS)}
        cells |= {"installed_power_mw": rng.choice(POWERS), "valid_from": valid_from, "recorded": recorded}
        records.append(cells)

    for unit in units:
        if rng.random() < 0.06:
            continue
        late = rng.random() < 0.15
        starts = [rng.choice(instants) if late else "", *rng.sample(instants, rng.choice((0, 1, 1, 2, 3)))]
        for place, valid_from in enumerate(starts):
            say(unit, valid_from, recorded_early(world) if place or rng.random() < 0.2 else "")
            if rng.random() < 0.3:
                say(unit, valid_from, recorded_late(world))
    rng.shuffle(records)
    if not records:
        say(("PP", 1), "", "")
    return records


def memberships_of(world, units, instants):
    """Chains of sales, second owners, ways into a group past the company, and moves known later."""
    rng = world.rng
    plants, companies, groups = ([unit for unit in units if unit[0] == word] for word in ("PP", "CMP", "GRP"))
    companies = companies + [("CMP", 55)] * (rng.random() < 0.2)
    stretches = []
    for plant in plants:
        for _ in range(rng.choice((0, 1, 1, 1, 2))):
            stretches += sales(rng, plant, companies, instants)
        if rng.random() < 0.4:
            stretches += sales(rng, plant, groups, instants)
    for company in companies:
        for _ in range(rng.choice((0, 1, 1, 2))):
            stretches += sales(rng, company, groups, instants)
    records = []
    for parent, child, begin, end in stretches:
        pair = {"parent_type": parent[0], "parent_no": str(parent[1])}
        pair |= {"child_type": child[0], "child_no": str(child[1]), "valid_from": begin}
        records.append(pair | {"valid_to": end, "recorded": recorded_early(world)})
        while rng.random() < 0.3:  # said again: sold earlier or later than was thought, not sold, never bought
            ends = [instant for instant in instants if begin == "" or instant > begin] + ["", begin]
            records.append(pair | {"valid_to": rng.choice(ends), "recorded": recorded_late(world)})
    rng.shuffle(records)
    return records


def sales(rng, child, parents, instants):
    """[(parent, child, begin, end)]: from hand to hand at once, after a while, or a while too early."""
    times = sorted(rng.sample(instants, rng.choice((0, 1, 1, 2, 3))))
    begin, stretches = rng.choice(("", "", *times)), []
    for time in [time for time in times if begin == "" or time > begin]:
        stretches.append((rng.choice(parents), child, begin, time))
        begin = rng.choice((time, time, time, *instants))
    if rng.random() < 0.8:
        stretches.append((rng.choice(parents), child, begin, ""))
    return stretches
