//! Health insurance: insurer numbers with their check digit, and the insured person's symbol, number and branch.

use crate::random::Random;

/// What an insurance card says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Insurance {
    /// Insurer number: six digits for municipal insurance, else eight; the last is the check digit.
    pub insurer_number: String,
    /// Symbol (記号); empty where the insurer has none.
    pub symbol: String,
    /// Number (番号), shared by a household except from the age of 75.
    pub number: String,
    /// Branch (枝番) that tells the persons of a household apart; empty from the age of 75.
    pub branch: String,
}

/// The check digit of an insurer number: weights 2, 1, 2, 1 … from the right, the digits of each product added up.
///
/// `digits` are those before the check digit; anything else than ASCII digits is passed over.
#[must_use]
pub fn check_digit(digits: &str) -> char {
    let sum: u32 = digits
        .chars()
        .rev()
        .filter_map(|c| c.to_digit(10))
        .enumerate()
        .map(|(position, digit)| if position % 2 == 0 { 2 * digit } else { digit })
        .map(|product| product / 10 + product % 10)
        .sum();
    char::from(b'0' + ((10 - sum % 10) % 10) as u8)
}

/// The household's card, as its head carries it.
pub(crate) fn of_household(random: &mut Random, prefecture: u8, head_age: u16) -> Insurance {
    let employed = if head_age < 65 { 0.75 } else { 0.25 };
    if random.chance(employed) { of_employer(random, prefecture) } else { of_municipality(random, prefecture) }
}

/// The card of a member: the household's with his own branch, until he turns 75.
pub(crate) fn of_member(
    random: &mut Random,
    household: &Insurance,
    prefecture: u8,
    age: u16,
    branch: usize,
) -> Insurance {
    if age >= ELDERLY_AGE { of_elderly(random, prefecture) } else { with_branch(household, branch) }
}

/// The age from which everybody has an insurance number of his own.
pub(crate) const ELDERLY_AGE: u16 = 75;

/// Insurance of the elderly (後期高齢者医療), by association of a prefecture.
pub(crate) fn of_elderly(random: &mut Random, prefecture: u8) -> Insurance {
    let insurer_number = numbered(39, prefecture, random.between(1, 40));
    let number = padded(random.below(100_000_000), 8);
    Insurance { insurer_number, symbol: String::new(), number, branch: String::new() }
}

/// A household's card as its member of this branch has it.
pub(crate) fn with_branch(household: &Insurance, branch: usize) -> Insurance {
    Insurance { branch: padded(branch as u64, 2), ..household.clone() }
}

/// Municipal insurance (国民健康保険), which a household leaves when it moves to another municipality.
pub(crate) fn of_municipality(random: &mut Random, prefecture: u8) -> Insurance {
    let insurer_number = with_check_digit(padded(u64::from(prefecture) * 1000 + u64::from(random.between(1, 40)), 5));
    let symbol = if random.chance(0.5) { String::new() } else { format!("国{}", random.between(1, 99)) };
    Insurance { insurer_number, symbol, number: padded(random.below(10_000_000), 7), branch: String::new() }
}

impl Insurance {
    /// Whether this is municipal insurance: six digits, not eight.
    #[must_use]
    pub fn is_municipal(&self) -> bool {
        self.insurer_number.len() == 6
    }
}

fn of_employer(random: &mut Random, prefecture: u8) -> Insurance {
    // 01: the association of small employers; 06: one large employer's society; 31 to 34: mutual aid of public servants.
    let (law, offices, symbol) = match random.unit() {
        x if x < 0.45 => (1, 1, random.between(10_000_000, 99_999_999)),
        x if x < 0.80 => (6, 60, random.between(1, 9999)),
        _ => (random.between(31, 34), 12, random.between(1, 999)),
    };
    let insurer_number = numbered(law, prefecture, random.between(1, offices));
    let number = random.between(1, 99_999).to_string();
    Insurance { insurer_number, symbol: symbol.to_string(), number, branch: String::new() }
}

fn numbered(law: u32, prefecture: u8, office: u32) -> String {
    with_check_digit(padded(u64::from(law) * 100_000 + u64::from(prefecture) * 1000 + u64::from(office), 7))
}

/// A number with leading zeros. Written by hand: format! took a tenth of the time in which a person is made.
pub(crate) fn padded(mut number: u64, digits: usize) -> String {
    let mut text = vec![b'0'; digits];
    for digit in text.iter_mut().rev() {
        *digit += (number % 10) as u8;
        number /= 10;
    }
    text.into_iter().map(char::from).collect()
}

pub(crate) fn with_check_digit(mut digits: String) -> String {
    digits.push(check_digit(&digits));
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_leading_zeros() {
        assert_eq!((padded(42, 5), padded(0, 2)), ("00042".to_owned(), "00".to_owned()));
    }

    #[test]
    fn check_digits_match_published_insurer_numbers() {
        // 千葉県警 (methods of japan-formats.md, 3.7) and the nursing-care insurer of 新宿区.
        for number in ["33120015", "131045"] {
            let (digits, check) = number.split_at(number.len() - 1);
            assert_eq!(check_digit(digits).to_string(), check);
        }
    }

    #[test]
    fn from_75_on_everybody_has_a_number_of_his_own() {
        let mut random = Random::new(1, "insurance", 0);
        let household = of_household(&mut random, 13, 80);
        let (a, b) = (of_member(&mut random, &household, 13, 80, 0), of_member(&mut random, &household, 13, 78, 1));
        assert!(a.insurer_number.starts_with("3913") && a.number.len() == 8 && a.branch.is_empty());
        assert_ne!(a.number, b.number);
        assert_eq!(of_member(&mut random, &household, 13, 40, 2).number, household.number);
    }
}
