//! Where plants stand: areas of one weather and one civil time, their regions, and names of places.

/// What a plant makes power from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PlantKind {
    Wind,
    Solar,
    Hydro,
    Thermal,
}

/// An area with weather of its own.
pub(super) struct Area {
    /// IANA zone of the civil days there.
    pub(super) zone: &'static str,
    /// Minutes by which its clocks are ahead of UTC in winter: office hours follow them.
    pub(super) office_offset: i64,
    /// What stands behind a plant's name, by kind.
    pub(super) endings: [&'static str; 4],
    /// The market most plants are in.
    pub(super) market: Option<&'static str>,
    /// Plants are smaller by this divisor.
    pub(super) smallness: i64,
    pub(super) regions: &'static [Region],
}

/// A region of an area; the position is that of its middle.
pub(super) struct Region {
    pub(super) name: &'static str,
    /// Hundredths of a degree, north positive.
    pub(super) latitude: i64,
    /// Hundredths of a degree, east positive.
    pub(super) longitude: i64,
    pub(super) kinds: &'static [PlantKind],
    pub(super) places: &'static [&'static str],
}

use PlantKind::{Hydro, Solar, Thermal, Wind};

impl PlantKind {
    /// The word in `plant_type`.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Wind => "wind",
            Solar => "solar",
            Hydro => "hydro",
            Thermal => "thermal",
        }
    }
}

impl Area {
    /// The regions in which plants of `kind` stand.
    pub(super) fn regions_of(&self, kind: PlantKind) -> Vec<usize> {
        let regions = self.regions.iter().enumerate();
        regions.filter(|(_, region)| region.kinds.contains(&kind)).map(|(at, _)| at).collect()
    }

    /// Middle of the area in hundredths of a degree: latitude, longitude.
    pub(super) fn middle(&self) -> (i64, i64) {
        let count = self.regions.len() as i64;
        let sum = |of: fn(&Region) -> i64| self.regions.iter().map(of).sum::<i64>();
        (sum(|region| region.latitude) / count, sum(|region| region.longitude) / count)
    }
}

const fn region(
    name: &'static str,
    latitude: i64,
    longitude: i64,
    kinds: &'static [PlantKind],
    places: &'static [&'static str],
) -> Region {
    Region { name, latitude, longitude, kinds, places }
}

/// The areas; the first is that of most plants.
pub(super) const AREAS: [Area; 5] = [
    Area {
        zone: "Europe/Istanbul",
        office_offset: 180,
        endings: ["RES", "GES", "HES", "TES"],
        market: Some("EPIAS"),
        smallness: 1,
        regions: &TURKISH_PROVINCES,
    },
    Area {
        zone: "Europe/Berlin",
        office_offset: 60,
        endings: ["Windpark", "Solarpark", "Wasserkraftwerk", "Kraftwerk"],
        market: Some("EPEX"),
        smallness: 1,
        regions: &[
            region("Schleswig-Holstein", 5_430, 910, &[Wind], &["Husum", "Bredstedt", "Heide"]),
            region("Niedersachsen", 5_310, 840, &[Wind, Solar, Thermal], &["Emden", "Cloppenburg"]),
            region("Brandenburg", 5_210, 1_360, &[Wind, Solar, Thermal], &["Lübben", "Prenzlau"]),
            region("Bayern", 4_850, 1_180, &[Solar, Hydro], &["Landshut", "Dillingen", "Passau"]),
        ],
    },
    Area {
        zone: "America/New_York",
        office_offset: -300,
        endings: ["Wind Farm", "Solar Farm", "Hydro Station", "Power Station"],
        market: None,
        smallness: 1,
        regions: &[
            region("New York", 4_270, -7_600, &[Wind, Solar, Hydro], &["Lowville", "Arkwright"]),
            region("Pennsylvania", 4_050, -7_850, &[Wind, Thermal], &["Somerset", "Homer City"]),
            region("Vermont", 4_390, -7_270, &[Hydro, Solar], &["Bellows Falls", "Rutland"]),
        ],
    },
    Area {
        zone: "Asia/Kolkata",
        office_offset: 330,
        endings: ["Wind", "Solar", "Hydel", "Thermal"],
        market: Some("IEX"),
        smallness: 1,
        regions: &[
            region("Rajasthan", 2_710, 7_170, &[Solar, Wind], &["Bhadla", "Jaisalmer", "Phalodi"]),
            region("Tamil Nadu", 880, 7_770, &[Wind, Solar, Thermal], &["Muppandal", "Kamuthi"]),
            region("Karnataka", 1_450, 7_570, &[Hydro, Solar, Wind], &["Pavagada", "Linganamakki"]),
        ],
    },
    Area {
        zone: "Australia/Lord_Howe",
        office_offset: 630,
        endings: ["Wind", "Solar", "Hydro", "Diesel"],
        market: None,
        smallness: 40,
        regions: &[region(
            "Lord Howe Island",
            -3_155,
            15_908,
            &[Wind, Solar, Thermal],
            &["Transit Hill", "Old Settlement"],
        )],
    },
];

const TURKISH_PROVINCES: [Region; 30] = [
    region("Çanakkale", 4_015, 2_641, &[Wind, Thermal], &["Gelibolu", "Ezine", "Biga", "Lapseki"]),
    region("Balıkesir", 3_965, 2_788, &[Wind], &["Bandırma", "Susurluk", "Erdek", "Havran"]),
    region("İzmir", 3_842, 2_714, &[Wind, Thermal], &["Çeşme", "Aliağa", "Karaburun", "Bergama"]),
    region("Manisa", 3_861, 2_743, &[Wind, Solar, Thermal], &["Soma", "Kırkağaç", "Akhisar"]),
    region("Aydın", 3_784, 2_784, &[Wind, Solar], &["Söke", "Didim", "Çine"]),
    region("Muğla", 3_722, 2_836, &[Thermal, Wind], &["Yatağan", "Milas", "Datça"]),
    region("Kırklareli", 4_173, 2_722, &[Wind, Thermal], &["Vize", "Lüleburgaz", "Pınarhisar"]),
    region("Tekirdağ", 4_098, 2_751, &[Wind], &["Şarköy", "Malkara", "Saray"]),
    region("Bursa", 4_018, 2_906, &[Thermal, Wind], &["Orhaneli", "Karacabey", "Mudanya"]),
    region("Kütahya", 3_942, 2_998, &[Thermal, Solar], &["Tunçbilek", "Seyitömer", "Gediz"]),
    region("Eskişehir", 3_978, 3_052, &[Solar, Hydro], &["Sivrihisar", "Mihalıççık", "Çifteler"]),
    region("Afyonkarahisar", 3_876, 3_054, &[Solar, Wind], &["Dinar", "Sandıklı", "Bolvadin"]),
    region("Burdur", 3_772, 3_029, &[Solar], &["Bucak", "Yeşilova", "Tefenni"]),
    region("Antalya", 3_690, 3_070, &[Solar, Hydro], &["Manavgat", "Elmalı", "Korkuteli"]),
    region("Ankara", 3_993, 3_286, &[Solar, Thermal], &["Polatlı", "Çayırhan", "Haymana"]),
    region("Zonguldak", 4_145, 3_179, &[Thermal], &["Çatalağzı", "Ereğli", "Alaplı"]),
    region("Konya", 3_787, 3_248, &[Solar, Wind], &["Karapınar", "Cihanbeyli", "Kadınhanı"]),
    region("Karaman", 3_718, 3_322, &[Solar, Hydro], &["Ermenek", "Ayrancı", "Kazımkarabekir"]),
    region("Mersin", 3_681, 3_463, &[Wind, Solar, Hydro], &["Mut", "Silifke", "Gülnar"]),
    region("Niğde", 3_797, 3_468, &[Solar], &["Bor", "Ulukışla", "Çiftlik"]),
    region("Kayseri", 3_873, 3_548, &[Wind, Solar, Hydro], &["Yahyalı", "Pınarbaşı", "Develi"]),
    region("Adana", 3_700, 3_532, &[Hydro, Thermal, Solar], &["Kozan", "Feke", "Tufanbeyli"]),
    region("Hatay", 3_640, 3_636, &[Wind, Thermal], &["Belen", "Samandağ", "İskenderun"]),
    region("Osmaniye", 3_707, 3_625, &[Wind, Hydro], &["Bahçe", "Gökçedağ", "Kadirli"]),
    region("Samsun", 4_129, 3_633, &[Hydro], &["Altınkaya", "Vezirköprü", "Çarşamba"]),
    region("Sivas", 3_975, 3_702, &[Wind, Thermal, Solar], &["Kangal", "Gürün", "Divriği"]),
    region("Şanlıurfa", 3_716, 3_879, &[Solar, Hydro], &["Viranşehir", "Birecik", "Harran"]),
    region("Elazığ", 3_868, 3_922, &[Hydro, Solar], &["Keban", "Karakoçan", "Palu"]),
    region("Artvin", 4_118, 4_182, &[Hydro], &["Deriner", "Borçka", "Yusufeli"]),
    region("Van", 3_849, 4_338, &[Solar, Hydro], &["Erciş", "Başkale", "Edremit"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_area_has_its_zone_and_room_for_wind_and_sun() {
        for area in &AREAS {
            assert!(smartpulse_operators::time::Zone::parse(area.zone).is_some(), "{}", area.zone);
            for kind in [Wind, Solar, Thermal] {
                assert!(!area.regions_of(kind).is_empty(), "{} {kind:?}", area.zone);
            }
            assert!(area.regions.iter().all(|region| !region.places.is_empty()));
        }
        assert!(!AREAS[0].regions_of(Hydro).is_empty());
    }
}
