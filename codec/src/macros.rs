//! What options and plain enums would otherwise repeat for each of their fields and variants.

/// Methods of options that set one field each; an optional field becomes `Some`.
macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident($field:ident: $type:ty);)*) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name(mut self, $field: $type) -> Self {
            self.$field = $field.into();
            self
        }
    )*};
}

/// An enum with the name of each variant, which `Display` writes, and `FromStr` reads where there is one.
macro_rules! named {
    ($(#[$attribute:meta])* $visibility:vis enum $enum:ident {
        $($(#[$doc:meta])* $variant:ident => $name:literal,)*
    }) => {
        $(#[$attribute])*
        $visibility enum $enum {
            $($(#[$doc])* $variant,)*
        }

        impl $enum {
            /// Its name, as `Display` writes it.
            #[must_use]
            $visibility const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }

        impl std::fmt::Display for $enum {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.name())
            }
        }
    };
}

pub(crate) use {named, setters};
