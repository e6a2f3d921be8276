//! The checker: what the relay accepted against what the database says, as data.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// No mail is begun later than this after a cancel has returned.
const CANCEL_BOUND: Duration = Duration::from_secs(1);

/// What there is to know after a run.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    pub campaigns: Vec<Campaign>,
    /// In order of acceptance, those included whose reply was lost.
    pub accepted: Vec<Mail>,
    /// MAIL commands that were answered with 2xx.
    pub begun: Vec<Begun>,
    /// Connections that ended without QUIT after a DATA: each may have lost one reply to a final dot.
    pub lost_at_dot: u64,
    /// When a process of a runner, what it wrote, or this machine stood still: what was begun before may arrive until
    /// a second after it.
    pub frozen: Vec<(SystemTime, SystemTime)>,
    /// What was found wrong while it ran.
    pub complaints: Vec<String>,
}

#[derive(Clone, Debug, Default)]
pub struct Campaign {
    pub name: String,
    pub status: String,
    /// The most positions of a lease that may be open at once.
    pub window: u64,
    /// By position, from 1.
    pub recipients: Vec<Recipient>,
    pub counters: Counters,
    /// Open positions of each lease that ended by recovery.
    pub recovered: Vec<u64>,
    /// Positions that a mark let pass although their recipient was known to have the mail, or in doubt.
    pub passed_again: Vec<u64>,
    /// When `cancel_campaign` had returned.
    pub cancelled_at: Option<SystemTime>,
}

/// The columns of `email_jobs`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub total: u64,
    pub sent: u64,
    pub failed: u64,
    pub uncertain: u64,
    pub suppressed: u64,
    pub cancelled: u64,
}

#[derive(Clone, Debug, Default)]
pub struct Recipient {
    /// As in `recipient_state`.
    pub state: String,
    /// Attempts that are recorded as `sent`.
    pub sent: u64,
    /// Attempts that the runner recorded as `uncertain`.
    pub uncertain: u64,
    /// Attempts in doubt, now or before.
    pub doubts: u64,
    /// Those of them that are not recorded as `sent`.
    pub unsettled: u64,
    /// Doubts of which a person or the policy asked for a resend.
    pub resends: u64,
    /// A person or the policy decided that it counts as sent.
    pub assumed_sent: bool,
    pub message_id: String,
    /// The header field; none before the first lease.
    pub date: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Mail {
    /// Index of the campaign; `None`: the recipient is unknown.
    pub campaign: Option<usize>,
    pub pos: usize,
    pub message_id: Option<String>,
    pub date: Option<String>,
    pub bytes: Arc<[u8]>,
}

#[derive(Clone, Debug)]
pub struct Begun {
    pub campaign: usize,
    pub at: SystemTime,
}

/// A promise that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    NobodyLost,
    NobodyTwice,
    UnknownNamed,
    NotSentIsNotAccepted,
    UncertainBounded,
    CountersAreFacts,
    SameMail,
    FactsSettle,
    CancelStops,
    /// Anything that was found while the run went on: the books, a runner that died.
    Always,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub promise: Promise,
    pub detail: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.promise, self.detail)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    pub mails: u64,
    /// Mails to somebody who had one, nobody having asked for it.
    pub duplicates: u64,
    /// Those that somebody had asked for.
    pub asked: u64,
    pub lost: u64,
    /// Recipients in doubt, now or before, counted once for each attempt.
    pub uncertain: u64,
    pub bound: u64,
    /// Accepted, and not recorded as sent.
    pub unknown: u64,
    /// Leases that ended by recovery.
    pub recovered: u64,
    pub lost_at_dot: u64,
}

impl std::ops::AddAssign for Figures {
    fn add_assign(&mut self, other: Figures) {
        self.mails += other.mails;
        self.duplicates += other.duplicates;
        self.asked += other.asked;
        self.lost += other.lost;
        self.uncertain += other.uncertain;
        self.bound += other.bound;
        self.unknown += other.unknown;
        self.recovered += other.recovered;
        self.lost_at_dot += other.lost_at_dot;
    }
}

/// What the run came to, and every promise that was broken.
pub fn check(evidence: &Evidence) -> (Figures, Vec<Finding>) {
    let mut checker = Checker::default();
    let mut mails: HashMap<(usize, usize), Vec<&Mail>> = HashMap::new();
    for mail in &evidence.accepted {
        let known = mail.campaign.filter(|&campaign| {
            let recipients = &evidence.campaigns[campaign].recipients;
            (1..=recipients.len()).contains(&mail.pos)
        });
        match known {
            Some(campaign) => mails.entry((campaign, mail.pos)).or_default().push(mail),
            None => checker.broken(
                Promise::NobodyLost,
                format!("a mail for nobody of any campaign: {:?}", mail.message_id),
            ),
        }
    }
    checker.figures.mails = evidence.accepted.len() as u64;
    for (index, campaign) in evidence.campaigns.iter().enumerate() {
        for (recipient, pos) in campaign.recipients.iter().zip(1..) {
            let mails = mails.get(&(index, pos)).map_or(&[][..], Vec::as_slice);
            let who = format!("{} {pos} ({})", campaign.name, recipient.state);
            checker.recipient(&who, recipient, mails);
        }
        checker.campaign(campaign);
    }
    checker.bound(evidence);
    checker.cancel(evidence);
    for complaint in &evidence.complaints {
        checker.broken(Promise::Always, complaint.clone());
    }
    (checker.figures, checker.findings)
}

#[derive(Default)]
struct Checker {
    figures: Figures,
    findings: Vec<Finding>,
}

impl Checker {
    fn broken(&mut self, promise: Promise, detail: String) {
        self.findings.push(Finding { promise, detail });
    }

    fn recipient(&mut self, who: &str, recipient: &Recipient, mails: &[&Mail]) {
        let accepted = mails.len() as u64;
        let state = recipient.state.as_str();
        let is_final = matches!(
            state,
            "sent" | "failed" | "uncertain" | "suppressed" | "cancelled"
        );
        if !is_final {
            self.figures.lost += 1;
            self.broken(Promise::NobodyLost, format!("{who} has no end"));
        }
        if recipient.sent > accepted
            || (state == "sent" && accepted == 0 && !recipient.assumed_sent)
        {
            self.figures.lost += 1;
            self.broken(
                Promise::NobodyLost,
                format!(
                    "{who}: recorded as sent {} times, accepted {accepted} times",
                    recipient.sent
                ),
            );
        }

        let allowed = 1 + recipient.resends;
        self.figures.duplicates += accepted.saturating_sub(allowed);
        self.figures.asked += accepted.min(allowed).saturating_sub(1);
        if accepted > allowed {
            self.broken(
                Promise::NobodyTwice,
                format!(
                    "{who}: accepted {accepted} times, {} resends were asked for",
                    recipient.resends
                ),
            );
        }

        let unrecorded = accepted.saturating_sub(recipient.sent);
        self.figures.unknown += unrecorded;
        if unrecorded > recipient.unsettled {
            self.broken(
                Promise::UnknownNamed,
                format!(
                    "{who}: accepted {accepted} times, recorded as sent {} times, in doubt {} times",
                    recipient.sent, recipient.unsettled
                ),
            );
        }
        let was_not_sent = matches!(state, "failed" | "suppressed" | "cancelled");
        if was_not_sent && accepted > 0 && recipient.resends == 0 {
            self.broken(
                Promise::NotSentIsNotAccepted,
                format!("{who}: accepted {accepted} times"),
            );
        }

        for mail in mails {
            if mail.message_id.as_ref() != Some(&recipient.message_id)
                || mail.date != recipient.date
            {
                self.broken(
                    Promise::SameMail,
                    format!(
                        "{who}: Message-ID {:?}, Date {:?}; expected {:?}, {:?}",
                        mail.message_id, mail.date, recipient.message_id, recipient.date
                    ),
                );
            }
            if mail.bytes != mails[0].bytes {
                self.broken(Promise::SameMail, format!("{who}: two mails that differ"));
            }
        }
    }

    fn campaign(&mut self, campaign: &Campaign) {
        let in_state = |state: &str| {
            let recipients = campaign.recipients.iter();
            recipients
                .filter(|recipient| recipient.state == state)
                .count() as u64
        };
        let facts = Counters {
            total: campaign.recipients.len() as u64,
            sent: in_state("sent"),
            failed: in_state("failed"),
            uncertain: in_state("uncertain"),
            suppressed: in_state("suppressed"),
            cancelled: in_state("cancelled"),
        };
        if facts != campaign.counters {
            self.broken(
                Promise::CountersAreFacts,
                format!(
                    "{}: {:?}, counted {:?}",
                    campaign.name, campaign.counters, facts
                ),
            );
        }
        if !matches!(
            campaign.status.as_str(),
            "completed" | "failed" | "cancelled"
        ) {
            self.broken(
                Promise::NobodyLost,
                format!("{} is {} at the end", campaign.name, campaign.status),
            );
        }
        self.figures.recovered += campaign.recovered.len() as u64;
        for pos in &campaign.passed_again {
            self.broken(
                Promise::FactsSettle,
                format!(
                    "{} {pos} was allowed to be sent, although sent already or in doubt",
                    campaign.name
                ),
            );
        }
        for &open in &campaign.recovered {
            if open > campaign.window {
                self.broken(
                    Promise::UncertainBounded,
                    format!(
                        "{}: a lease ended with {open} open of at most {}",
                        campaign.name, campaign.window
                    ),
                );
            }
        }
    }

    fn bound(&mut self, evidence: &Evidence) {
        let recipients = || evidence.campaigns.iter().flat_map(|one| &one.recipients);
        let leases: u64 = (evidence.campaigns.iter())
            .map(|one| one.recovered.len() as u64 * one.window)
            .sum();
        let recorded: u64 = recipients().map(|recipient| recipient.uncertain).sum();
        self.figures.uncertain = recipients().map(|recipient| recipient.doubts).sum();
        self.figures.bound = leases + evidence.lost_at_dot;
        self.figures.lost_at_dot = evidence.lost_at_dot;
        if recorded > evidence.lost_at_dot {
            self.broken(
                Promise::UncertainBounded,
                format!(
                    "{recorded} replies to the dot missed, {} connections lost there",
                    evidence.lost_at_dot
                ),
            );
        }
        let open: u64 = (evidence.campaigns.iter())
            .flat_map(|one| &one.recovered)
            .sum();
        let by_leases = self.figures.uncertain.saturating_sub(recorded);
        if by_leases > open {
            self.broken(
                Promise::UncertainBounded,
                format!("{by_leases} in doubt by leases of which {open} were open when they ended by recovery"),
            );
        }
        if self.figures.uncertain > self.figures.bound {
            self.broken(
                Promise::UncertainBounded,
                format!(
                    "{} in doubt, the bound is {}",
                    self.figures.uncertain, self.figures.bound
                ),
            );
        }
    }

    fn cancel(&mut self, evidence: &Evidence) {
        for mail in &evidence.begun {
            let campaign = &evidence.campaigns[mail.campaign];
            let Some(cancelled_at) = campaign.cancelled_at else {
                continue;
            };
            let late = mail.at.duration_since(cancelled_at).unwrap_or_default();
            let excused = (evidence.frozen.iter()).any(|&(from, to)| {
                from <= cancelled_at + CANCEL_BOUND && mail.at <= to + CANCEL_BOUND
            });
            if late > CANCEL_BOUND && !excused {
                self.broken(
                    Promise::CancelStops,
                    format!(
                        "{}: a mail was begun {late:?} after the cancel",
                        campaign.name
                    ),
                );
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A campaign under `hold`: 1 and 2 were sent, 3 was in flight when its runner died, 4 was refused.
    fn honest() -> Evidence {
        let states = ["sent", "sent", "uncertain", "failed"];
        let recipients = states.iter().zip(1..).map(|(state, pos)| Recipient {
            state: (*state).to_owned(),
            sent: u64::from(*state == "sent"),
            doubts: u64::from(*state == "uncertain"),
            unsettled: u64::from(*state == "uncertain"),
            message_id: format!("<{pos}>"),
            date: Some("today".to_owned()),
            ..Recipient::default()
        });
        Evidence {
            campaigns: vec![Campaign {
                name: "hold".to_owned(),
                status: "completed".to_owned(),
                window: 2,
                recipients: recipients.collect(),
                counters: Counters {
                    total: 4,
                    sent: 2,
                    failed: 1,
                    uncertain: 1,
                    ..Counters::default()
                },
                recovered: vec![1],
                passed_again: Vec::new(),
                cancelled_at: None,
            }],
            accepted: (1..=3).map(mail).collect(),
            ..Evidence::default()
        }
    }

    fn mail(pos: usize) -> Mail {
        Mail {
            campaign: Some(0),
            pos,
            message_id: Some(format!("<{pos}>")),
            date: Some("today".to_owned()),
            bytes: Arc::from(&b"mail"[..]),
        }
    }

    #[track_caller]
    fn assert_finds(promise: Promise, change: impl FnOnce(&mut Evidence)) -> Figures {
        let mut evidence = honest();
        change(&mut evidence);
        let (figures, findings) = check(&evidence);
        let found = findings.iter().any(|finding| finding.promise == promise);
        assert!(found, "{promise:?} is not among {findings:?}");
        figures
    }

    #[test]
    fn nothing_is_found_where_all_is_well() {
        let (figures, findings) = check(&honest());
        assert_eq!(findings, []);
        let expected = Figures {
            mails: 3,
            uncertain: 1,
            bound: 2,
            unknown: 1,
            recovered: 1,
            ..Figures::default()
        };
        assert_eq!(figures, expected);
    }

    #[test]
    fn a_second_mail_is_found() {
        let figures = assert_finds(Promise::NobodyTwice, |run| run.accepted.push(mail(1)));
        assert_eq!(figures.duplicates, 1);
    }

    #[test]
    fn a_second_mail_that_was_asked_for_is_counted_apart_and_a_third_is_found() {
        let mut run = honest();
        run.campaigns[0].recipients[2] = Recipient {
            state: "sent".to_owned(),
            sent: 1,
            resends: 1,
            ..run.campaigns[0].recipients[2].clone()
        };
        run.campaigns[0].counters.sent = 3;
        run.campaigns[0].counters.uncertain = 0;
        run.accepted.push(mail(3));
        let (figures, findings) = check(&run);
        assert_eq!((figures.duplicates, figures.asked), (0, 1));
        assert_eq!(findings, []);
        run.accepted.push(mail(3));
        let (figures, findings) = check(&run);
        assert_eq!((figures.duplicates, figures.asked), (1, 1));
        assert!(
            findings
                .iter()
                .any(|finding| finding.promise == Promise::NobodyTwice)
        );
    }

    #[test]
    fn somebody_who_is_lost_is_found() {
        for state in ["lost", "pending"] {
            let figures = assert_finds(Promise::NobodyLost, |run| {
                run.campaigns[0].recipients[3].state = state.to_owned();
            });
            assert_eq!(figures.lost, 1);
        }
    }

    #[test]
    fn a_mail_that_was_recorded_as_sent_and_never_accepted_is_found() {
        let figures = assert_finds(Promise::NobodyLost, |run| drop(run.accepted.remove(0)));
        assert_eq!(figures.lost, 1);
    }

    #[test]
    fn a_mail_for_nobody_is_found() {
        assert_finds(Promise::NobodyLost, |run| run.accepted.push(mail(5)));
    }

    #[test]
    fn an_unknown_that_is_not_named_is_found() {
        assert_finds(Promise::UnknownNamed, |run| run.accepted.push(mail(4)));
        assert_finds(Promise::UnknownNamed, |run| {
            run.campaigns[0].recipients[2].unsettled = 0;
        });
    }

    #[test]
    fn somebody_who_failed_or_was_cancelled_and_has_the_mail_is_found() {
        for state in ["failed", "cancelled", "suppressed"] {
            assert_finds(Promise::NotSentIsNotAccepted, |run| {
                run.campaigns[0].recipients[2].state = state.to_owned();
            });
        }
    }

    #[test]
    fn more_doubts_than_the_bound_are_found() {
        assert_finds(Promise::UncertainBounded, |run| {
            run.campaigns[0].recovered.clear()
        });
        assert_finds(Promise::UncertainBounded, |run| {
            run.campaigns[0].recovered.push(3)
        });
        assert_finds(Promise::UncertainBounded, |run| {
            run.campaigns[0].recipients[2].uncertain = 1;
        });
        // Within the bound of the lease, which had none open.
        assert_finds(Promise::UncertainBounded, |run| {
            run.campaigns[0].recovered = vec![0];
        });
    }

    #[test]
    fn counters_that_are_not_the_facts_are_found() {
        assert_finds(Promise::CountersAreFacts, |run| {
            run.campaigns[0].counters.sent = 3
        });
    }

    #[test]
    fn a_resend_after_the_fact_is_found() {
        assert_finds(Promise::FactsSettle, |run| {
            run.campaigns[0].passed_again.push(1)
        });
    }

    #[test]
    fn a_campaign_without_an_end_is_found() {
        assert_finds(Promise::NobodyLost, |run| {
            run.campaigns[0].status = "running".to_owned();
        });
    }

    #[test]
    fn a_mail_that_differs_from_attempt_to_attempt_is_found() {
        assert_finds(Promise::SameMail, |run| run.accepted[0].date = None);
        assert_finds(Promise::SameMail, |run| {
            run.accepted[0].message_id = Some("<other>".to_owned());
        });
        assert_finds(Promise::SameMail, |run| {
            let bytes = Arc::from(&b"other"[..]);
            run.accepted.push(Mail { bytes, ..mail(1) });
        });
    }

    #[test]
    fn a_mail_that_was_begun_long_after_the_cancel_is_found_unless_time_stood_still() {
        let cancelled = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
        let late = |run: &mut Evidence| {
            run.campaigns[0].cancelled_at = Some(cancelled);
            let at = cancelled + Duration::from_secs(5);
            run.begun.push(Begun { campaign: 0, at });
        };
        assert_finds(Promise::CancelStops, late);
        let mut run = honest();
        late(&mut run);
        let thawed = cancelled + Duration::from_millis(4_500);
        run.frozen
            .push((cancelled - Duration::from_secs(1), thawed));
        assert_eq!(check(&run).1, []);
    }

    #[test]
    fn complaints_are_findings() {
        assert_finds(Promise::Always, |run| {
            run.complaints.push("broken".to_owned())
        });
    }
}
