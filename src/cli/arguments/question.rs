use clap::Args;

use crate::{
    cli::{
        CliError,
        names::{Categories, ResourceName, SubjectName},
    },
    pb,
};

/// One question.
#[derive(Clone, Debug, Args)]
pub struct QuestionArguments {
    /// The subject: `user:julia`, `app:shop`, `connection:erp`.
    pub subject: SubjectName,
    /// A permission such as `product.create`, or a level action such as `view`.
    pub action: String,
    /// What it is about.
    #[command(flatten)]
    pub about: AboutArguments,
}

/// What a question is about.
#[derive(Clone, Debug, Default, Args)]
pub struct AboutArguments {
    /// What it is about: `product:hat`. Without one: the permission alone.
    pub resource: Option<ResourceName>,
    /// What of the resource is meant.
    #[command(flatten)]
    pub context: ContextArguments,
    /// The description of the resource.
    #[command(flatten)]
    pub description: DescriptionArguments,
}

/// What of a resource is meant.
#[derive(Clone, Debug, Default, Args)]
pub struct ContextArguments {
    /// The channel that is meant.
    #[arg(long, env = "PIM_AUTHZ_CHANNEL", value_name = "CODE")]
    pub channel: Option<String>,
    /// The locale that is meant.
    #[arg(long, env = "PIM_AUTHZ_LOCALE", value_name = "CODE")]
    pub locale: Option<String>,
    /// The attribute whose value is meant.
    #[arg(long, env = "PIM_AUTHZ_ATTRIBUTE", value_name = "CODE")]
    pub attribute: Option<String>,
    /// The attribute group, in place of the attribute's own or alone.
    #[arg(long, env = "PIM_AUTHZ_ATTRIBUTE_GROUP", value_name = "CODE")]
    pub attribute_group: Option<String>,
}

/// A description of a resource, in place of what is stored.
#[derive(Clone, Debug, Default, Args)]
pub struct DescriptionArguments {
    /// The product's categories, in place of the stored ones: `a,b`; empty:
    /// none.
    #[arg(long, env = "PIM_AUTHZ_CATEGORIES", value_name = "CODES")]
    pub categories: Option<Categories>,
    /// The product's parent, in place of the stored one (empty: none); the
    /// family or entity of an asset or record.
    #[arg(long, env = "PIM_AUTHZ_PARENT", value_name = "CODE")]
    pub parent: Option<String>,
}

impl AboutArguments {
    /// Converts resource and context to request messages; fails if an option that
    /// belongs to a resource is given without one.
    pub(in crate::cli) fn render(
        &self,
    ) -> Result<(Option<pb::Resource>, Option<pb::Context>), CliError> {
        let Some(resource) = &self.resource else {
            return match self.needs_resource() {
                Some(option) => Err(CliError::NeedsResource(option)),
                None => Ok((None, None)),
            };
        };
        let DescriptionArguments { categories, parent } = &self.description;
        let resource = pb::Resource {
            categories: categories.as_ref().map(|categories| pb::CategoryList {
                codes: categories.0.clone(),
            }),
            parent: parent.clone(),
            ..resource.render()
        };
        Ok((Some(resource), self.context.render()))
    }

    /// Returns the first given option that requires a resource.
    fn needs_resource(&self) -> Option<&'static str> {
        let ContextArguments {
            channel,
            locale,
            attribute,
            attribute_group,
        } = &self.context;
        let DescriptionArguments { categories, parent } = &self.description;
        let given = [
            ("--channel", channel.is_some()),
            ("--locale", locale.is_some()),
            ("--attribute", attribute.is_some()),
            ("--attribute-group", attribute_group.is_some()),
            ("--categories", categories.is_some()),
            ("--parent", parent.is_some()),
        ];
        given.into_iter().find_map(|(name, is)| is.then_some(name))
    }
}

impl ContextArguments {
    /// Converts the context to its request message; `None` if no option is set.
    pub(in crate::cli) fn render(&self) -> Option<pb::Context> {
        let context = pb::Context {
            channel: self.channel.clone().unwrap_or_default(),
            locale: self.locale.clone().unwrap_or_default(),
            attribute: self.attribute.clone().unwrap_or_default(),
            attribute_group: self.attribute_group.clone().unwrap_or_default(),
        };
        (context != pb::Context::default()).then_some(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn context_without_a_resource_is_rejected_by_the_client() {
        let about = AboutArguments {
            context: ContextArguments {
                locale: Some("en_US".to_owned()),
                ..Default::default()
            },
            ..Default::default()
        };
        let error = about.render().unwrap_err();
        assert!(matches!(error, CliError::NeedsResource("--locale")));
        assert_eq!(AboutArguments::default().render().unwrap(), (None, None));
    }

    #[test]
    fn context_without_options_is_absent() {
        let about = AboutArguments {
            resource: Some("product:hat".parse().unwrap()),
            description: DescriptionArguments {
                categories: Some("".parse().unwrap()),
                parent: Some(String::new()),
            },
            ..Default::default()
        };
        let (resource, context) = about.render().unwrap();
        assert_eq!(context, None);
        let resource = resource.unwrap();
        assert_eq!(resource.categories, Some(pb::CategoryList::default()));
        assert_eq!(resource.parent, Some(String::new()));
    }
}
