//! The order in which a linker is to put functions, from what callgrind saw.

use std::collections::BTreeSet;
use std::iter;

/// The functions of the program `name` in what callgrind wrote, as patterns of what the linker calls them.
#[must_use]
pub fn functions(dump: &str, name: &str) -> BTreeSet<String> {
    let program = format!("/{name}");
    let mut is_own = false;
    let mut functions = BTreeSet::new();
    for line in dump.lines() {
        if let Some(object) = line.strip_prefix("ob=") {
            is_own = object.ends_with(&program);
        } else if let Some(name) = line.strip_prefix("fn=")
            && is_own
            && name.starts_with(|first: char| first == '_' || first.is_ascii_alphabetic())
        {
            functions.insert(pattern(name));
        }
    }
    functions
}

/// A mangled name without what is of one build only: the hash at the end of a name, or those of crates
/// within one, and what follows a dot. Callgrind adds a number where a function calls itself.
fn pattern(name: &str) -> String {
    let name = name.split('\'').next().unwrap();
    if name.starts_with("_ZN")
        && let Some((path, _hash)) = name.rsplit_once("17h")
    {
        return format!("{path}17h*");
    }
    if !name.starts_with("_R") {
        return name.to_owned();
    }
    let mut parts = name.split('.').next().unwrap().split("Cs");
    let mut pattern = parts.next().unwrap().to_owned();
    for part in parts {
        // It may be a part of an identifier, or of a hash: then the pattern takes more than it need.
        pattern.push_str("Cs*");
        if let Some((_hash, rest)) = part.split_once('_') {
            pattern.push('_');
            pattern.push_str(rest);
        }
    }
    pattern.push('*');
    pattern
}

/// Functions that are wanted by the same agents, and what they are called together.
pub type Group = (&'static str, BTreeSet<String>);

/// A linker script: the first group in front of all other functions, then these in the linker's own order,
/// and behind them the other groups, each for itself. A function is taken wherever the compiler has put it
/// (`.text` itself, or its part for what is unlikely), and stands where it is named first.
#[must_use]
pub fn script(groups: &[Group]) -> String {
    let mut script = String::from(
        "/* Which functions stand together in a program, so that the others need no memory: those that every agent\n   \
         runs before all else, others behind it. By packaging/order. */\n",
    );
    let mut seen = BTreeSet::new();
    let places = iter::once("BEFORE").chain(iter::repeat("AFTER"));
    for ((name, functions), place) in groups.iter().zip(places) {
        script.push_str(&format!("SECTIONS\n{{\n  .text.{name} :\n  {{\n"));
        for function in functions {
            if seen.insert(function) {
                script.push_str(&format!("    *(.text*.{function})\n"));
            }
        }
        script.push_str(&format!("  }}\n}}\nINSERT {place} .text;\n"));
    }
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_its_name_in_any_build() {
        for (name, expected) in [
            ("main", "main"),
            ("_ZN4core3ptr17h0123456789abcdefE", "_ZN4core3ptr17h*"),
            (
                "_ZN4core3ptr17h0123456789abcdefE.llvm.12'2",
                "_ZN4core3ptr17h*",
            ),
            (
                "_RNvXsZ_NtCslNYArtu3iFV_5alloc6stringNtCsgEmfK2I1SDS_4core3fmt.522",
                "_RNvXsZ_NtCs*_5alloc6stringNtCs*_4core3fmt*",
            ),
            // Neither is the beginning of a hash; both are matched.
            ("_RNvCsab_5mycsv9CsvReader4read", "_RNvCs*_5mycsv9Cs**"),
            ("_RNvCs8aCsXb_3std", "_RNvCs*Cs*_3std*"),
        ] {
            assert_eq!(pattern(name), expected, "{name}");
        }
    }

    #[test]
    fn only_the_programs_own_functions_are_in_order() {
        let dump = "ob=/lib/libc.so.6\nfn=malloc\n1 2\nob=/usr/bin/venus-agent\nfn=main\nfn=0x10\nfn=(below main)\n\
                    cob=/lib/libc.so.6\ncfn=free\nfn=read\nob=/lib/libc.so.6\nfn=write\n";
        let own = functions(dump, "venus-agent");
        assert_eq!(own, BTreeSet::from(["main", "read"].map(str::to_owned)));
        let always = BTreeSet::from(["main", "z"].map(str::to_owned));
        let script = script(&[("always", always), ("rare", own)]);
        let lines: Vec<&str> = script
            .lines()
            .filter(|line| line.contains('.'))
            .skip(1)
            .collect();
        assert_eq!(
            lines,
            [
                "  .text.always :",
                "    *(.text*.main)",
                "    *(.text*.z)",
                "INSERT BEFORE .text;",
                "  .text.rare :",
                "    *(.text*.read)",
                "INSERT AFTER .text;",
            ]
        );
    }
}
