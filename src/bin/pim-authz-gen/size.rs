use super::GeneratorError;

/// Size of a generated data set, and the seed that it is drawn with.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub(crate) struct CatalogSize {
    /// What chance begins with: the same seed and sizes make the same bytes.
    #[arg(long, default_value_t = DEFAULT.seed)]
    pub(crate) seed: u64,

    /// Products; about a quarter are variants, and a third of these have no
    /// categories but their model's.
    #[arg(long, default_value_t = DEFAULT.products)]
    pub(crate) products: u64,

    /// Product models, every fifth one a sub-model [default: one for 20
    /// products].
    #[arg(long)]
    pub(crate) models: Option<u64>,

    /// Categories, roots included; about ten below each one.
    #[arg(long, default_value_t = DEFAULT.categories)]
    pub(crate) categories: u32,

    /// Category trees.
    #[arg(long, default_value_t = DEFAULT.trees)]
    pub(crate) trees: u32,

    /// How unevenly products are spread over categories: the exponent of a Zipf
    /// distribution. 0: evenly.
    #[arg(long, default_value_t = DEFAULT.zipf)]
    pub(crate) zipf: f64,

    /// How many of 1,000 products have no category, and are everyone's.
    #[arg(long, default_value_t = DEFAULT.uncategorised_per_mille)]
    pub(crate) uncategorised_per_mille: u32,

    /// Users, besides `admin` and the three readers.
    #[arg(long, default_value_t = DEFAULT.users)]
    pub(crate) users: u64,

    /// User groups, besides `All` and those of the three readers.
    #[arg(long, default_value_t = DEFAULT.groups)]
    pub(crate) groups: u32,

    /// Groups that each user is in, besides `All`; at most all of them.
    #[arg(long, default_value_t = DEFAULT.groups_per_user)]
    pub(crate) groups_per_user: u32,

    /// Categories that each group views at least; it edits half of them and
    /// owns a tenth. At most all of them.
    #[arg(long, default_value_t = DEFAULT.group_categories)]
    pub(crate) group_categories: u32,

    /// API connections made by hand.
    #[arg(long, default_value_t = DEFAULT.connections)]
    pub(crate) connections: u32,

    /// Connected apps; together with the connections at most 100.
    #[arg(long, default_value_t = DEFAULT.apps)]
    pub(crate) apps: u32,

    /// Channels.
    #[arg(long, default_value_t = DEFAULT.channels)]
    pub(crate) channels: u32,

    /// Locales.
    #[arg(long, default_value_t = DEFAULT.locales)]
    pub(crate) locales: u32,

    /// Attribute groups; every fifth one is hidden from `All`.
    #[arg(long, default_value_t = DEFAULT.attribute_groups)]
    pub(crate) attribute_groups: u32,

    /// Attributes; a fifth are scopable, a third localizable.
    #[arg(long, default_value_t = DEFAULT.attributes)]
    pub(crate) attributes: u32,

    /// Asset families.
    #[arg(long, default_value_t = DEFAULT.asset_families)]
    pub(crate) asset_families: u32,

    /// Reference entities.
    #[arg(long, default_value_t = DEFAULT.reference_entities)]
    pub(crate) reference_entities: u32,

    /// Import profiles, and as many export profiles.
    #[arg(long, default_value_t = DEFAULT.profiles)]
    pub(crate) profiles: u32,

    /// Saved grid views.
    #[arg(long, default_value_t = DEFAULT.grid_views)]
    pub(crate) grid_views: u32,
}

const DEFAULT: CatalogSize = CatalogSize {
    seed: 1,
    products: 100_000,
    models: None,
    categories: 500,
    trees: 5,
    zipf: 1.1,
    uncategorised_per_mille: 1,
    users: 200,
    groups: 20,
    groups_per_user: 3,
    group_categories: 100,
    connections: 5,
    apps: 3,
    channels: 3,
    locales: 10,
    attribute_groups: 10,
    attributes: 200,
    asset_families: 5,
    reference_entities: 5,
    profiles: 10,
    grid_views: 20,
};

/// Maximum number of third parties (connections and apps) of a tenant (rules 5.2).
const MOST_THIRD_PARTIES: u32 = 100;

/// Maximum number of groups: a row that names all of them can still be imported.
const MOST_GROUPS: u32 = 10_000;

/// Maximum number of categories: the sum of their weights fits into 64 bits.
const MOST_CATEGORIES: u32 = 1_000_000;

const STEEPEST: f64 = 5.0;

impl Default for CatalogSize {
    fn default() -> Self {
        DEFAULT
    }
}

impl CatalogSize {
    /// Returns the number of product models.
    #[must_use]
    pub(crate) fn models(&self) -> u64 {
        self.models.unwrap_or(self.products / 20)
    }

    /// Rejects sizes that would generate a data set that an import rejects.
    pub(super) fn check(&self) -> Result<(), GeneratorError> {
        let left_for_apps = MOST_THIRD_PARTIES.saturating_sub(self.connections);
        let limits = [
            // option, given, least, most
            ("categories", self.categories, 1, MOST_CATEGORIES),
            ("trees", self.trees, 1, self.categories),
            (
                "uncategorised-per-mille",
                self.uncategorised_per_mille,
                0,
                1_000,
            ),
            ("groups", self.groups, 0, MOST_GROUPS),
            ("connections", self.connections, 0, MOST_THIRD_PARTIES),
            ("apps", self.apps, 0, left_for_apps),
            ("attribute-groups", self.attribute_groups, 1, MOST_GROUPS),
        ];
        for (option, given, least, most) in limits {
            if !(least..=most).contains(&given) {
                return Err(GeneratorError::OutOfRange {
                    option,
                    given: given.to_string(),
                    least: least.to_string(),
                    most: most.to_string(),
                });
            }
        }
        if (0.0..=STEEPEST).contains(&self.zipf) {
            return Ok(());
        }
        Err(GeneratorError::OutOfRange {
            option: "zipf",
            given: self.zipf.to_string(),
            least: "0".into(),
            most: STEEPEST.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inconsistent_sizes_are_rejected_naming_the_option() {
        let cases = [
            // size, expected message
            (
                CatalogSize {
                    categories: 0,
                    ..DEFAULT
                },
                "`--categories` is 0; allowed is 1 to 1000000",
            ),
            (
                CatalogSize {
                    trees: 501,
                    ..DEFAULT
                },
                "`--trees` is 501; allowed is 1 to 500",
            ),
            (
                CatalogSize {
                    connections: 60,
                    apps: 41,
                    ..DEFAULT
                },
                "`--apps` is 41; allowed is 0 to 40",
            ),
            (
                CatalogSize {
                    zipf: f64::NAN,
                    ..DEFAULT
                },
                "`--zipf` is NaN; allowed is 0 to 5",
            ),
        ];
        for (size, message) in cases {
            assert_eq!(size.check().unwrap_err().to_string(), message);
        }
        assert!(DEFAULT.check().is_ok());
    }
}
