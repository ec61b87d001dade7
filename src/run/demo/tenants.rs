use pim_authz::pb::Edition;

/// A tenant of the demonstration.
#[derive(Clone, Copy, Debug)]
pub(super) struct DemoTenant {
    pub(super) tenant: &'static str,
    pub(super) edition: Edition,
    /// Name and content of each file.
    pub(super) files: &'static [(&'static str, &'static str)],
}

/// Embeds the files of a folder below `demo/`, read at build time.
macro_rules! files {
    ($folder:literal: $($name:literal),+ $(,)?) => {
        &[$((
            $name,
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/demo/", $folder, "/", $name)),
        )),+]
    };
}

/// The worked examples of the product's help pages. Those with access rights or
/// with apps that connect in three steps are in an enterprise tenant, those with
/// apps that connect in one step in a community tenant.
pub(super) const TENANTS: [DemoTenant; 2] = [
    DemoTenant {
        tenant: "default",
        edition: Edition::Enterprise,
        files: files!["default":
            "apps.csv",
            "asset_families.csv",
            "attribute_group_accesses.csv",
            "attribute_groups.csv",
            "attributes.csv",
            "categories.csv",
            "channel_accesses.csv",
            "channels.csv",
            "connections.csv",
            "export_profiles.csv",
            "grid_views.csv",
            "job_profile_accesses.csv",
            "locale_accesses.csv",
            "locales.csv",
            "product_category_accesses.csv",
            "product_models.csv",
            "products.csv",
            "reference_entities.csv",
            "user_groups.csv",
            "user_roles.csv",
            "users.csv",
        ],
    },
    DemoTenant {
        tenant: "community",
        edition: Edition::Community,
        files: files!["community":
            "apps.csv",
            "attribute_groups.csv",
            "attributes.csv",
            "categories.csv",
            "channels.csv",
            "locales.csv",
            "products.csv",
            "user_roles.csv",
            "users.csv",
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folders_is_loaded() {
        for demo in TENANTS {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/demo/").to_owned() + demo.tenant;
            let mut on_disk: Vec<String> = std::fs::read_dir(folder)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            on_disk.sort();
            let loaded: Vec<&str> = demo.files.iter().map(|(name, _)| *name).collect();
            assert_eq!(loaded, on_disk, "{}", demo.tenant);
        }
    }
}
