//! Who fetched a link or an image: a person's program, a mail provider on behalf of a person, or a machine.

use woothee::parser::Parser;
use woothee::woothee::VALUE_UNKNOWN;

/// Nobody reads further than this into a header that anybody may write.
const MAX_LENGTH: usize = 1_000;

/// Exactly this and no more is what Apple's Mail Privacy Protection says, which fetches all images before anybody reads.
const APPLE_MPP: &str = "Mozilla/5.0";

/// What Gmail says when it fetches images before anybody reads.
const GOOGLE_PREFETCH: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0";

/// Parts of the names of tools, crawlers, link previews and mail security products, in lower case.
const MACHINES: [&str; 46] = [
    "aiohttp",
    "apache-httpclient",
    "axios",
    "barracuda",
    "bitdefender",
    "bot",
    "checkpoint",
    "cloudmark",
    "crawler",
    "curl",
    "facebookexternalhit",
    "fireeye",
    "forcepoint",
    "fortiguard",
    "go-http-client",
    "guzzlehttp",
    "headless",
    "httpx",
    "ironport",
    "java/",
    "libwww-perl",
    "linkpreview",
    "messagelabs",
    "mimecast",
    "monitor",
    "node-fetch",
    "paloalto",
    "phantomjs",
    "playwright",
    "proofpoint",
    "puppeteer",
    "python-requests",
    "python-urllib",
    "safelinks",
    "scanner",
    "skypeuripreview",
    "sophos",
    "spider",
    "symantec",
    "trendmicro",
    "undici",
    "urlscan",
    "virustotal",
    "wget",
    "whatsapp",
    "zscaler",
];

/// Programs for mail, which a parser for browsers takes for the engine inside them.
const MAIL_PROGRAMS: [(&str, &str); 4] = [
    ("Thunderbird/", "Thunderbird"),
    ("Microsoft Outlook", "Outlook"),
    ("MSOffice", "Outlook"),
    ("ms-office", "Outlook"),
];

/// What a user agent tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// Name of the program, for people: one of a known list, `unknown` where it cannot be told.
    pub family: String,
    pub kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Human,
    /// Gmail fetches an image when a person opens the mail.
    GoogleProxy,
    /// Yahoo likewise.
    YahooProxy,
    AppleMpp,
    GooglePrefetch,
    /// Any other machine, and whoever does not say what it is.
    Scanner,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Human => "human",
            Kind::GoogleProxy => "google_proxy",
            Kind::YahooProxy => "yahoo_proxy",
            Kind::AppleMpp => "apple_mpp",
            Kind::GooglePrefetch => "google_prefetch",
            Kind::Scanner => "scanner",
        }
    }
}

/// Judges the header User-Agent of a request; `None` = it had none.
pub fn judge(user_agent: Option<&str>) -> Agent {
    let agent = user_agent.unwrap_or_default().trim();
    let agent = &agent[..agent.floor_char_boundary(MAX_LENGTH)];
    let (family, kind) = match agent {
        APPLE_MPP => ("Apple Mail", Kind::AppleMpp),
        GOOGLE_PREFETCH => ("Gmail", Kind::GooglePrefetch),
        _ if agent.contains("GoogleImageProxy") => ("GoogleImageProxy", Kind::GoogleProxy),
        _ if agent.contains("YahooMailProxy") => ("YahooMailProxy", Kind::YahooProxy),
        _ => parsed(agent),
    };
    Agent {
        family: family.to_owned(),
        kind,
    }
}

fn parsed(agent: &str) -> (&str, Kind) {
    let (name, category) = match Parser::new().parse(agent) {
        Some(found) if found.name != VALUE_UNKNOWN => (found.name, found.category),
        _ => ("unknown", ""),
    };
    // CUBOT makes telephones.
    let folded = agent.to_ascii_lowercase().replace("cubot", "");
    let is_machine = matches!(agent, "" | "-")
        || category == "crawler"
        || name == "HTTP Library"
        || MACHINES.iter().any(|machine| folded.contains(machine));
    if is_machine {
        return (name, Kind::Scanner);
    }
    let program = MAIL_PROGRAMS.iter().find(|(mark, _)| agent.contains(mark));
    let family = match program {
        Some((_, family)) => family,
        None if is_apple_mail(agent) => "Apple Mail",
        None => name,
    };
    (family, Kind::Human)
}

/// Mail of macOS and iOS: Apple's engine without the name of a browser.
fn is_apple_mail(agent: &str) -> bool {
    let Some((_, engine)) = agent.split_once("AppleWebKit/") else {
        return false;
    };
    let rest = engine
        .split_once("(KHTML, like Gecko)")
        .map_or("", |(_, rest)| rest)
        .trim();
    (agent.contains("like Mac OS X") || agent.contains("Macintosh"))
        && (rest.is_empty() || rest.starts_with("Mobile/") && !rest.contains(' '))
}
