//! A file of the spool: anything, and behind it a record that was written.

#![no_main]

use libfuzzer_sys::fuzz_target;
use venus_agent::outbox::Class;
use venus_agent::outbox::record::{Head, encode, result, scan};

fuzz_target!(|data: &[u8]| {
    let (found, damaged) = scan(data);
    let whole: usize = found.iter().map(|record| record.length).sum();
    assert_eq!(whole + damaged, data.len());
    let head = Head {
        class: Class::State,
        check: 1,
        made: 2,
    };
    let mut file = data.to_vec();
    let length = encode(head, data, &mut file);
    let (found_now, damaged_now) = scan(&file);
    assert_eq!((found_now.len(), damaged_now), (found.len() + 1, damaged));
    let last = found_now.last().unwrap();
    assert_eq!(
        (last.head, last.offset, last.length),
        (head, data.len(), length)
    );
    assert_eq!(result(&file[last.offset..]), data);
    // One flipped bit costs one record.
    let place = last.offset + data.len() % length;
    file[place] ^= 1;
    assert!(scan(&file).0.starts_with(&found));
});
