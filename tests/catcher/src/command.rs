//! The commands of RFC 5321 section 4.1, parsed strictly.

use crate::Reply;

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Helo,
    Ehlo,
    Mail {
        from: String,
        size: Option<usize>,
    },
    Rcpt {
        to: String,
    },
    Data,
    Rset,
    Noop,
    Quit,
    Vrfy,
    StartTls,
    /// The mechanism in upper case, and the initial response.
    Auth {
        mechanism: String,
        initial: Option<String>,
    },
}

/// RFC 5321 section 4.5.3.1.4 asks for 512 octets; the parameters of extensions come on top.
const LONGEST_COMMAND: usize = 1024;

/// Parses one line, its line end included; the error is the reply to send.
pub(crate) fn parse(line: &[u8]) -> Result<Command, Reply> {
    if line.len() > LONGEST_COMMAND {
        return Err(Reply::new(500, "5.5.2 line too long"));
    }
    let line = line
        .strip_suffix(b"\r\n")
        .and_then(|line| std::str::from_utf8(line).ok())
        .filter(|line| !line.contains(char::is_control))
        .ok_or_else(|| Reply::new(500, "5.5.2 a command is a line of text that ends in CRLF"))?;
    let (verb, argument) = line.split_once(' ').unwrap_or((line, ""));
    match verb.to_ascii_uppercase().as_str() {
        "EHLO" => client_name(argument).map(|()| Command::Ehlo),
        "HELO" => client_name(argument).map(|()| Command::Helo),
        "MAIL" => mail(argument),
        "RCPT" => rcpt(argument),
        "DATA" => no_argument(argument, Command::Data),
        "RSET" => no_argument(argument, Command::Rset),
        "QUIT" => no_argument(argument, Command::Quit),
        "NOOP" => Ok(Command::Noop),
        "VRFY" if argument.is_empty() => Err(syntax("VRFY needs an address")),
        "VRFY" => Ok(Command::Vrfy),
        "STARTTLS" => no_argument(argument, Command::StartTls),
        "AUTH" => auth(argument),
        "EXPN" | "HELP" => Err(Reply::new(502, "5.5.1 not implemented")),
        _ => Err(Reply::new(500, "5.5.2 unknown command")),
    }
}

fn syntax(text: &str) -> Reply {
    Reply::new(501, format!("5.5.4 {text}"))
}

fn client_name(argument: &str) -> Result<(), Reply> {
    if argument.is_empty() || argument.contains(' ') {
        return Err(syntax("the client's name is missing"));
    }
    Ok(())
}

fn no_argument(argument: &str, command: Command) -> Result<Command, Reply> {
    if argument.is_empty() {
        Ok(command)
    } else {
        Err(syntax("no argument allowed"))
    }
}

fn auth(argument: &str) -> Result<Command, Reply> {
    let (mechanism, initial) = match argument.split_once(' ') {
        Some((mechanism, initial)) => (mechanism, Some(initial.to_owned())),
        None => (argument, None),
    };
    let mechanism = mechanism.to_ascii_uppercase();
    if mechanism.is_empty() {
        return Err(syntax("AUTH needs a mechanism"));
    }
    Ok(Command::Auth { mechanism, initial })
}

fn mail(argument: &str) -> Result<Command, Reply> {
    let (from, parameters) = path(argument, "FROM:")?;
    if !from.is_empty() {
        check_address(&from)?;
    }
    let mut size = None;
    for parameter in parameters.split_ascii_whitespace() {
        match parameter.to_ascii_uppercase().split_once('=') {
            Some(("SIZE", octets)) => {
                let octets = octets.parse().map_err(|_| syntax("SIZE is not a number"))?;
                size = Some(octets);
            }
            Some(("BODY", "7BIT" | "8BITMIME") | ("AUTH", _)) => {}
            _ => return Err(Reply::new(555, "5.5.4 unknown parameter of MAIL")),
        }
    }
    Ok(Command::Mail { from, size })
}

fn rcpt(argument: &str) -> Result<Command, Reply> {
    let (to, parameters) = path(argument, "TO:")?;
    if !parameters.is_empty() {
        return Err(Reply::new(555, "5.5.4 unknown parameter of RCPT"));
    }
    check_address(&to)?;
    Ok(Command::Rcpt { to })
}

/// `FROM:<address> parameters` → address and parameters. A `>` may stand in a quoted local part.
fn path(argument: &str, keyword: &str) -> Result<(String, String), Reply> {
    let malformed = || syntax(&format!("expected {keyword}<address>"));
    let head = argument.get(..keyword.len()).ok_or_else(malformed)?;
    if !head.eq_ignore_ascii_case(keyword) {
        return Err(malformed());
    }
    let rest = argument[keyword.len()..]
        .strip_prefix('<')
        .ok_or_else(malformed)?;
    let mut quoted = false;
    let mut escaped = false;
    for (index, c) in rest.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '>' if !quoted => {
                let parameters = &rest[index + 1..];
                if !parameters.is_empty() && !parameters.starts_with(' ') {
                    return Err(malformed());
                }
                return Ok((rest[..index].to_owned(), parameters.trim().to_owned()));
            }
            _ => {}
        }
    }
    Err(malformed())
}

fn check_address(address: &str) -> Result<(), Reply> {
    if !address.is_ascii() {
        return Err(Reply::new(553, "5.6.7 SMTPUTF8 is not offered here"));
    }
    let parts = address.rsplit_once('@');
    let complete = parts.is_some_and(|(local_part, domain)| {
        let quoted = local_part.starts_with('"') && local_part.ends_with('"');
        let clean = quoted || !local_part.contains([' ', '@', ',', ':', ';', '<', '(', '"']);
        !local_part.is_empty() && !domain.is_empty() && clean && !domain.contains([' ', '<'])
    });
    if complete || address.eq_ignore_ascii_case("postmaster") {
        Ok(())
    } else {
        Err(Reply::new(501, "5.1.3 not a mailbox address"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn code(line: &str) -> u16 {
        parse(line.as_bytes()).unwrap_err().code
    }

    #[test]
    fn verbs_and_keywords_have_no_case() {
        let command = parse(b"mail from:<Ana@Example.com> size=12 body=8bitmime\r\n");
        let from = "Ana@Example.com".to_owned();
        let size = Some(12);
        assert_eq!(command, Ok(Command::Mail { from, size }));
    }

    #[test]
    fn the_null_sender_is_a_sender_but_no_recipient() {
        let from = String::new();
        assert_eq!(
            parse(b"MAIL FROM:<>\r\n"),
            Ok(Command::Mail { from, size: None })
        );
        assert_eq!(code("RCPT TO:<>\r\n"), 501);
    }

    #[test]
    fn a_quoted_local_part_may_hold_a_bracket() {
        let to = r#""a>b\"c"@example.com"#.to_owned();
        let line = format!("RCPT TO:<{to}>\r\n");
        assert_eq!(parse(line.as_bytes()), Ok(Command::Rcpt { to }));
    }

    #[test]
    fn malformed_lines_are_refused_with_the_code_of_their_defect() {
        assert_eq!(code("NOOP\n"), 500);
        assert_eq!(code("FOO\r\n"), 500);
        assert_eq!(
            code(&format!("NOOP {}\r\n", "x".repeat(LONGEST_COMMAND))),
            500
        );
        assert_eq!(code("EHLO\r\n"), 501);
        assert_eq!(code("MAIL FROM: <a@example.com>\r\n"), 501);
        assert_eq!(code("MAIL FROM:a@example.com\r\n"), 501);
        assert_eq!(code("RCPT TO:<a@example.com\r\n"), 501);
        assert_eq!(code("RCPT TO:<a b@example.com>\r\n"), 501);
        assert_eq!(code("RCPT TO:<example.com>\r\n"), 501);
        assert_eq!(code("DATA now\r\n"), 501);
        assert_eq!(code("VRFY\r\n"), 501);
        assert_eq!(code("STARTTLS now\r\n"), 501);
        assert_eq!(code("AUTH\r\n"), 501);
        assert_eq!(code("EXPN all\r\n"), 502);
        assert_eq!(code("RCPT TO:<ä@example.com>\r\n"), 553);
        assert_eq!(code("MAIL FROM:<a@example.com> SMTPUTF8\r\n"), 555);
        assert_eq!(code("RCPT TO:<a@example.com> NOTIFY=NEVER\r\n"), 555);
    }
}
