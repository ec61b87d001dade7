use super::ItemKind;

/// Level of access of a user group or a subject to one item (rules 3.1, 3.3).
///
/// `View`, `Edit` and `Own` include the ones before them. On import and export
/// profiles `Edit` and `Execute` are independent flags, and
/// `ExecuteAndEdit` is both.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    strum::Display,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::EnumIter,
)]
#[strum(serialize_all = "snake_case")]
pub enum Level {
    /// Nothing: the item is hidden.
    #[default]
    #[strum(serialize = "none")]
    Hidden,
    /// See it.
    View,
    /// Change it; on a category, by proposals that an owner reviews.
    Edit,
    /// Change it directly; categories and products only.
    Own,
    /// Run it; profiles only.
    Execute,
    /// Run it and edit it; profiles only.
    ExecuteAndEdit,
}

impl Level {
    const VIEW_BIT: u8 = 1;
    const EDIT_BIT: u8 = 2;
    const OWN_BIT: u8 = 4;
    const EXECUTE_BIT: u8 = 8;

    /// True if this level satisfies the required level `needed`.
    ///
    /// # Examples
    ///
    /// ```
    /// use pim_authz::domain::Level;
    ///
    /// assert!(Level::Own.allows(Level::Edit));
    /// assert!(!Level::View.allows(Level::Edit));
    /// assert!(!Level::Edit.allows(Level::Execute));
    /// ```
    #[must_use]
    pub fn allows(self, needed: Self) -> bool {
        self.bits() & needed.bits() == needed.bits()
    }

    /// Returns the union of both levels: the most permissive wins (rules 3.5),
    /// and the flags of profiles add up (rules 3.3).
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self::from_bits(self.bits() | other.bits())
    }

    /// Returns the level capped at `limit`: what both levels include.
    #[must_use]
    pub fn at_most(self, limit: Self) -> Self {
        Self::from_bits(self.bits() & limit.bits())
    }

    /// Returns the level that remains on an item of `kind` after `taken` is
    /// revoked: higher levels are revoked with it (rules 3.1); the flags of
    /// profiles are independent (rules 3.3).
    #[must_use]
    pub fn without(self, taken: Self, kind: ItemKind) -> Self {
        if kind.is_profile() {
            return Self::from_bits(self.bits() & !taken.bits());
        }
        let left = match taken {
            Self::Own => Self::Edit,
            Self::Edit => Self::View,
            Self::Hidden => self,
            Self::View | Self::Execute | Self::ExecuteAndEdit => Self::Hidden,
        };
        Self::from_bits(self.bits() & left.bits())
    }

    /// Returns the level required on a channel, locale or attribute group where
    /// the category requires `self`: `edit` for `own` (rules 4.4, 4.5).
    #[must_use]
    pub fn on_other_axes(self) -> Self {
        match self {
            Self::Own => Self::Edit,
            Self::Hidden | Self::View | Self::Edit | Self::Execute | Self::ExecuteAndEdit => self,
        }
    }

    /// Returns the level as a bit set: view 1, edit 2, own 4, execute 8. The
    /// union of two sets is [`Level::or`]; rights are stored in this form.
    #[must_use]
    pub fn bits(self) -> u8 {
        match self {
            Self::Hidden => 0,
            Self::View => Self::VIEW_BIT,
            Self::Edit => Self::VIEW_BIT | Self::EDIT_BIT,
            Self::Own => Self::VIEW_BIT | Self::EDIT_BIT | Self::OWN_BIT,
            Self::Execute => Self::EXECUTE_BIT,
            Self::ExecuteAndEdit => Self::VIEW_BIT | Self::EDIT_BIT | Self::EXECUTE_BIT,
        }
    }

    /// Returns the level of a bit set made by [`Level::bits`], or of a union of
    /// such sets.
    #[must_use]
    pub fn from_bits(bits: u8) -> Self {
        if bits & Self::EXECUTE_BIT != 0 {
            return if bits & Self::EDIT_BIT != 0 {
                Self::ExecuteAndEdit
            } else {
                Self::Execute
            };
        }
        if bits & Self::OWN_BIT != 0 {
            Self::Own
        } else if bits & Self::EDIT_BIT != 0 {
            Self::Edit
        } else if bits & Self::VIEW_BIT != 0 {
            Self::View
        } else {
            Self::Hidden
        }
    }
}

impl ItemKind {
    /// Returns the levels that can be granted on it, lowest first (rules 3.1,
    /// 3.3).
    #[must_use]
    pub fn levels(self) -> &'static [Level] {
        match self {
            Self::Category => &[Level::View, Level::Edit, Level::Own],
            Self::ImportProfile | Self::ExportProfile => {
                &[Level::Execute, Level::Edit, Level::ExecuteAndEdit]
            }
            Self::Channel
            | Self::Locale
            | Self::AttributeGroup
            | Self::AssetFamily
            | Self::ReferenceEntity => &[Level::View, Level::Edit],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Level::{self, Edit, Execute, ExecuteAndEdit, Hidden, Own, View};

    #[test]
    fn rule_3_5_the_most_permissive_level_wins() {
        let cases = [
            (Hidden, Hidden, Hidden),
            (Hidden, View, View),
            (Own, View, Own),
            (Edit, View, Edit),
            (Execute, Edit, ExecuteAndEdit),
            (Execute, Hidden, Execute),
            (ExecuteAndEdit, Execute, ExecuteAndEdit),
        ];
        for (one, other, highest) in cases {
            assert_eq!(one.or(other), highest, "{one} {other}");
            assert_eq!(other.or(one), highest, "{other} {one}");
        }
    }

    #[test]
    fn rule_3_1_revoking_a_level_revokes_higher_levels() {
        use crate::domain::ItemKind::{Category, ExportProfile, Locale};
        let cases = [
            (Own, View, Category, Hidden),
            (Own, Edit, Category, View),
            (Own, Own, Category, Edit),
            (View, Edit, Category, View),
            (View, Own, Category, View),
            (Hidden, Own, Category, Hidden),
            (Edit, Edit, Locale, View),
            (ExecuteAndEdit, Edit, ExportProfile, Execute),
            (ExecuteAndEdit, Execute, ExportProfile, Edit),
            (Edit, Edit, ExportProfile, Hidden),
            (Edit, Execute, ExportProfile, Edit),
            (ExecuteAndEdit, ExecuteAndEdit, ExportProfile, Hidden),
        ];
        for (held, taken, kind, left) in cases {
            assert_eq!(held.without(taken, kind), left, "{held} {taken} {kind}");
        }
    }

    #[test]
    fn rule_3_3_execute_and_edit_are_independent_flags() {
        let cases = [
            (Execute, Edit, false),
            (Edit, Execute, false),
            (ExecuteAndEdit, Edit, true),
            (ExecuteAndEdit, Execute, true),
            (Hidden, Level::Hidden, true),
            (Hidden, Execute, false),
        ];
        for (held, needed, allowed) in cases {
            assert_eq!(held.allows(needed), allowed, "{held} {needed}");
        }
    }
}
