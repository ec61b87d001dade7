/// The sample questions: a sentence that explains each, and its command line.
pub(super) const QUESTIONS: [(&str, &str); 20] = [
    (
        "Julia's group owns the category Audio and Video, so she edits its products directly.",
        "pim-authz check user:julia edit product:SS-SP32FWB",
    ),
    (
        "Mary's group may edit it: what she writes becomes a proposal.",
        "pim-authz check user:mary edit product:SS-SP32FWB",
    ),
    (
        "Marco, the supplier, may view it and no more.",
        "pim-authz check user:marco edit product:SS-SP32FWB",
    ),
    (
        "Elise manages clothes: to her the category does not exist.",
        "pim-authz check user:elise view product:SS-SP32FWB",
    ),
    (
        "Robert's group may view the locale en_US, and not edit it.",
        "pim-authz check user:robert edit locale:en_US",
    ),
    (
        "Mary's groups have no right on en_US, which hides what lies below it.",
        "pim-authz check user:mary view product:SS-SP32FWB --locale en_US",
    ),
    (
        "Peter may edit French values of his shoes ...",
        "pim-authz check user:peter edit product:sneaker --attribute description --locale fr_FR",
    ),
    (
        "... only see the English ones ...",
        "pim-authz check user:peter edit product:sneaker --attribute description --locale en_US",
    ),
    (
        "... and not edit values of the channel ecommerce.",
        "pim-authz check user:peter edit product:sneaker --attribute price --channel ecommerce",
    ),
    (
        "A product in several categories: the most permissive right counts.",
        "pim-authz check user:mary_divided own product:product_a",
    ),
    (
        "A user in several groups: the most permissive right counts.",
        "pim-authz check user:mary_divided own product:tshirt",
    ),
    (
        "A product in no category is everyone's.",
        "pim-authz check user:marco own product:sample",
    ),
    (
        "The purchase team has no right on the attribute group Marketing.",
        "pim-authz check user:mary view attribute_group:marketing",
    ),
    (
        "Who lacks the permission to manage apps finds Connect disabled.",
        "pim-authz check user:julia app.manage",
    ),
    (
        "An app that owns the tree Ecommerce deletes the hat ...",
        "pim-authz check app:erp_connector api.product.remove product:hat",
    ),
    (
        "... and cannot see the braided hat, which is in the tree Print only.",
        "pim-authz check app:erp_connector api.product.list product:braided_hat",
    ),
    (
        "A translation app writes German by proposal, and leaves French alone.",
        "pim-authz check app:translator api.product.edit product:hat --attribute description --locale fr_FR",
    ),
    (
        "An app that feeds the web shop does not see what the ERP keeps.",
        "pim-authz check app:shop_sync view product:hat --attribute erp_number",
    ),
    (
        "In the community edition access rights do not count: the app's scopes decide.",
        "pim-authz check app:hat_feed api.product.edit product:hat --tenant community",
    ),
    (
        "An app without authorizations reads the PIM's version and edition alone.",
        "pim-authz check app:version_teller api.product.list --tenant community",
    ),
];
