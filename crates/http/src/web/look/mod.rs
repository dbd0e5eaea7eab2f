//! How pages look: our style sheet, the operator's theme and texts.
//!
//! A [`Look`] is made as a whole and swapped as a whole ([`Appearance`]). All its files stand under
//! one digest, which is part of their URLs: a page names what belongs to it, browsers keep it for
//! ever, and a style sheet names images and fonts beside it by relative URLs.

mod asset;
mod serve;
mod settings;
pub mod theme;

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use sha2::{Digest as _, Sha256};

use self::asset::{Asset, hexadecimal};
pub(crate) use self::serve::asset;
pub(crate) use self::settings::DEFAULT_TITLE;
pub use self::settings::{WebLink, WebSettings};
use self::theme::{FileType, Theme};
use super::html::Html;

/// Our own style sheet, which a theme's comes after.
const OWN_STYLE: &str = "cheeseshop.css";
const OWN_STYLE_TEXT: &str = include_str!("cheeseshop.css");

/// The icon where a theme has none.
const OWN_FAVICON: &str = "favicon.svg";
const OWN_FAVICON_TEXT: &str = include_str!("favicon.svg");

/// How pages look: never changed, only replaced.
#[derive(Debug)]
pub struct Look {
    title: String,
    footer: String,
    links: Vec<WebLink>,
    assets: Vec<Asset>,
    hash: String,
    style: Option<String>,
    logo: Option<String>,
    favicon: String,
}

impl Look {
    /// The look that the settings ask for, with the theme that was read.
    pub fn new(settings: &WebSettings, theme: Option<Theme>) -> Self {
        let mut look = Self {
            title: settings.title.trim().to_owned(),
            footer: settings.footer.trim().to_owned(),
            links: settings.links.clone(),
            assets: own(OWN_STYLE, OWN_STYLE_TEXT).into_iter().collect(),
            hash: String::new(),
            style: None,
            logo: None,
            favicon: OWN_FAVICON.to_owned(),
        };
        if let Some(theme) = theme {
            look.assets.extend(theme.assets);
            look.style = theme.style;
            look.logo = theme.logo;
            look.favicon = theme.favicon.unwrap_or(look.favicon);
        }
        if look.asset(&look.favicon).is_none() {
            look.assets.extend(own(OWN_FAVICON, OWN_FAVICON_TEXT));
        }
        let mut digest = Sha256::new();
        for asset in &look.assets {
            digest.update(format!("{} {}\n", asset.name, asset.digest));
        }
        look.hash = hexadecimal(&digest.finalize());
        look.hash.truncate(16);
        look
    }

    /// The name of the site.
    pub(crate) fn title(&self) -> &str {
        &self.title
    }

    fn hash(&self) -> &str {
        &self.hash
    }

    fn asset(&self, name: &str) -> Option<&Asset> {
        self.assets.iter().find(|asset| asset.name == name)
    }

    /// Where a file is. `root` is the URL of the server's root, absolute or relative, without a
    /// slash at its end.
    fn address(&self, root: &str, name: &str) -> String {
        format!("{root}/+static/{}/{name}", self.hash)
    }

    /// The beginning of a page of this title, up to its body.
    pub(crate) fn head(&self, root: &str, title: &str) -> Html {
        let mut html = Html::new();
        html.markup(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<title>",
        )
        .text(title);
        // devpi-web's titles are what they are; a site that has a name adds it.
        if self.title != DEFAULT_TITLE && self.title != title {
            html.text(" · ").text(&self.title);
        }
        html.markup("</title>\n<link rel=\"icon\" href=\"")
            .text(&self.address(root, &self.favicon))
            .markup("\">\n");
        for style in [Some(OWN_STYLE), self.style.as_deref()]
            .into_iter()
            .flatten()
        {
            html.markup("<link rel=\"stylesheet\" href=\"")
                .text(&self.address(root, style))
                .markup("\">\n");
        }
        html.markup("</head>\n");
        html
    }

    /// A link to the root of the server: the logo, or the name of the site.
    pub(crate) fn home(&self, root: &str) -> Html {
        let mut html = Html::new();
        html.markup("<a class=\"home\" href=\"")
            .text(root)
            .markup("/\">");
        match &self.logo {
            Some(logo) => html
                .markup("<img src=\"")
                .text(&self.address(root, logo))
                .markup("\" alt=\"")
                .text(&self.title)
                .markup("\">"),
            None => html.text(&self.title),
        }
        .markup("</a>");
        html
    }

    /// The end of a page: nothing where the operator has nothing to say.
    pub(super) fn footer(&self) -> Html {
        let mut html = Html::new();
        if self.footer.is_empty() && self.links.is_empty() {
            return html;
        }
        html.markup("<footer class=\"site\">\n");
        if !self.footer.is_empty() {
            html.markup("<p>").text(&self.footer).markup("</p>\n");
        }
        if !self.links.is_empty() {
            html.markup("<nav aria-label=\"Links\"><ul>\n");
            for link in &self.links {
                html.markup("<li>")
                    .outward_link(link.url.as_str(), &link.label)
                    .markup("</li>\n");
            }
            html.markup("</ul></nav>\n");
        }
        html.markup("</footer>\n");
        html
    }
}

/// A file of ours, of a type that themes know.
fn own(name: &str, text: &str) -> Option<Asset> {
    let file_type = match name {
        OWN_STYLE => FileType::of(theme::STYLE),
        other => FileType::of(other),
    };
    let bytes = text.as_bytes().to_vec();
    file_type
        .ok()
        .map(|file_type| Asset::new(name.to_owned(), file_type, bytes))
}

/// The look that is in force. Clones share it.
#[derive(Clone)]
pub struct Appearance(Arc<ArcSwap<Look>>);

impl Appearance {
    /// Replaces the look; pages that are made from now on have it.
    pub fn set(&self, look: Look) {
        self.0.store(Arc::new(look));
    }

    pub(crate) fn now(&self) -> Arc<Look> {
        self.0.load_full()
    }
}

impl Default for Appearance {
    fn default() -> Self {
        let look = Look::new(&WebSettings::default(), None);
        Self(Arc::new(ArcSwap::from_pointee(look)))
    }
}

impl fmt::Debug for Appearance {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.load().fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    /// The theme that is shipped as an example.
    const EXAMPLE: &str = include_str!("../../../../../deploy/theme/theme.css");

    /// The custom properties of each of a style sheet's rules for `:root`.
    fn properties(style: &str) -> Vec<BTreeMap<String, String>> {
        let rules = style.split(":root {").skip(1);
        rules
            .map(|rule| {
                let rule = rule.split('}').next().unwrap();
                rule.split(';')
                    .filter_map(|line| line.trim().split_once(": "))
                    .filter(|(name, _)| name.starts_with("--"))
                    .map(|(name, value)| {
                        let value = value.trim_end_matches(" !important");
                        (name.to_owned(), value.to_owned())
                    })
                    .collect()
            })
            .collect()
    }

    fn value<'a>(properties: &'a BTreeMap<String, String>, name: &str) -> &'a str {
        let value = &properties[name];
        match value.strip_prefix("var(") {
            Some(other) => self::value(properties, other.trim_end_matches(')')),
            None => value,
        }
    }

    /// Relative luminance of `#rgb` or `#rrggbb` (WCAG 2.2).
    fn luminance(colour: &str) -> f64 {
        let digits = colour.strip_prefix('#').unwrap();
        let long: String = if digits.len() == 3 {
            digits.chars().flat_map(|digit| [digit, digit]).collect()
        } else {
            digits.to_owned()
        };
        let channel = |at: usize| {
            let part = f64::from(u8::from_str_radix(&long[at..at + 2], 16).unwrap()) / 255.0;
            if part <= 0.040_45 {
                part / 12.92
            } else {
                ((part + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * channel(0) + 0.7152 * channel(2) + 0.0722 * channel(4)
    }

    #[test]
    fn texts_can_be_read_in_light_and_dark() {
        let rules = properties(OWN_STYLE_TEXT);
        let [light, dark, high, high_dark] = &rules[..] else {
            panic!("{rules:?}");
        };
        let over = |below: &BTreeMap<String, String>, above: &BTreeMap<String, String>| {
            let mut whole = below.clone();
            whole.extend(above.clone());
            whole
        };
        let dark = over(light, dark);
        let example = properties(EXAMPLE);
        let [example_light, example_dark] = &example[..] else {
            panic!("{example:?}");
        };
        for (scheme, least) in [
            (light.clone(), 4.5),
            (dark.clone(), 4.5),
            (over(light, example_light), 4.5),
            (over(&over(&dark, example_light), example_dark), 4.5),
            (over(light, high), 7.0),
            (over(&dark, high_dark), 7.0),
        ] {
            for (text, ground) in [
                ("text", "background"),
                ("text", "surface"),
                ("text-quiet", "background"),
                ("text-quiet", "surface"),
                ("link", "background"),
                ("link-visited", "background"),
                ("danger", "background"),
                ("accent-text", "accent"),
                ("header-text", "header-background"),
                ("header-link", "header-background"),
            ] {
                let of = |name: &str| luminance(value(&scheme, &format!("--cs-{name}")));
                let (one, other) = (of(text), of(ground));
                let ratio = (one.max(other) + 0.05) / (one.min(other) + 0.05);
                assert!(ratio >= least, "{text} on {ground}: {ratio:.2}");
            }
        }
    }

    #[test]
    fn the_manual_names_every_property_of_themes() {
        let page = include_str!("../../../../../docs/manual/web-pages.md");
        let ours: BTreeSet<String> = properties(OWN_STYLE_TEXT).remove(0).into_keys().collect();
        let told: BTreeSet<String> = page
            .split('`')
            .filter(|word| word.starts_with("--cs-"))
            .map(str::to_owned)
            .collect();
        assert_eq!(told, ours);
    }

    #[test]
    fn the_look_of_the_product_keeps_the_rules_of_themes() {
        let files =
            [("a.css", OWN_STYLE_TEXT), (OWN_FAVICON, OWN_FAVICON_TEXT)].map(|(name, text)| {
                theme::ThemeFile {
                    name: name.to_owned(),
                    bytes: text.as_bytes().to_vec(),
                }
            });
        Theme::new(files.to_vec(), theme::STYLE).unwrap();
        assert!(
            !OWN_STYLE_TEXT.contains("//"),
            "nothing comes from elsewhere"
        );
    }

    #[test]
    fn any_change_of_a_file_changes_the_hash() {
        let look = |name: &str, text: &str| {
            let file = theme::ThemeFile {
                name: name.to_owned(),
                bytes: text.as_bytes().to_vec(),
            };
            let theme = Theme::new(vec![file], theme::STYLE).unwrap();
            Look::new(&WebSettings::default(), Some(theme)).hash
        };
        let hashes: BTreeSet<String> = [
            look("theme.css", "a"),
            look("theme.css", "b"),
            look("other.css", "a"),
            Look::new(&WebSettings::default(), None).hash,
        ]
        .into();
        assert_eq!(hashes.len(), 4);
        assert_eq!(look("theme.css", "a"), look("theme.css", "a"));
    }
}
