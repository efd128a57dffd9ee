//! Circles among things that wait for each other.

use std::collections::VecDeque;

/// One circle of each set of things that all wait for each other: the shortest through its first. Things are numbers,
/// and `after` says what each waits for.
pub(super) fn cycles(after: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let before = reversed(after);
    let mut towards = vec![None; after.len()];
    let ended = ended(after);
    let mut found: Vec<_> =
        ended.into_iter().rev().filter_map(|first| circle(first, &before, &mut towards)).collect();
    found.sort_unstable();
    found
}

/// Who waits for each.
fn reversed(after: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut before = vec![Vec::new(); after.len()];
    for (own, others) in after.iter().enumerate() {
        others.iter().for_each(|other| before[*other].push(own));
    }
    before
}

/// All things, each behind those that it leads to and that do not lead back to it.
fn ended(after: &[Vec<usize>]) -> Vec<usize> {
    let mut seen = vec![false; after.len()];
    let mut ended = Vec::with_capacity(after.len());
    for start in 0..after.len() {
        let mut way = Vec::new();
        if !std::mem::replace(&mut seen[start], true) {
            way.push((start, after[start].iter()));
        }
        while let Some((here, others)) = way.last_mut() {
            match others.find(|other| !seen[**other]) {
                Some(other) => {
                    seen[*other] = true;
                    way.push((*other, after[*other].iter()));
                }
                None => {
                    ended.push(*here);
                    way.pop();
                }
            }
        }
    }
    ended
}

/// The shortest circle through `first`. Gives all that leads to it, and nobody has reached yet, the next step towards
/// it: if every thing is asked in the order of [`ended`] from its end, `first` leads to all of them, too.
fn circle(first: usize, before: &[Vec<usize>], towards: &mut [Option<usize>]) -> Option<Vec<usize>> {
    if towards[first].is_some() {
        return None;
    }
    towards[first] = Some(first);
    let mut nearest = None;
    let mut next = VecDeque::from([first]);
    while let Some(here) = next.pop_front() {
        for other in &before[here] {
            if *other == first {
                nearest = nearest.or(Some(here));
            } else if towards[*other].is_none() {
                towards[*other] = Some(here);
                next.push_back(*other);
            }
        }
    }
    let steps = std::iter::successors(nearest, |here| towards[*here]).take_while(|here| *here != first);
    nearest.map(|_| std::iter::once(first).chain(steps).collect())
}

#[cfg(test)]
mod tests {
    use super::cycles;

    #[test]
    fn each_knot_has_one_circle() {
        let none: Vec<Vec<usize>> = Vec::new();
        assert_eq!(cycles(&[]), none);
        assert_eq!(cycles(&[vec![1, 2], vec![2], vec![]]), none);
        assert_eq!(cycles(&[vec![0]]), [[0]]);
        assert_eq!(cycles(&[vec![1], vec![2], vec![1]]), [[1, 2]], "what only leads there is in none");
        assert_eq!(cycles(&[vec![1], vec![2, 3], vec![0], vec![0]]), [[0, 1, 2]], "two through one");
        assert_eq!(
            cycles(&[vec![1], vec![0, 2], vec![3], vec![2]]),
            [[0, 1], [2, 3]],
            "one leads to another"
        );
        assert_eq!(cycles(&[vec![2], vec![1, 0], vec![3], vec![0, 1]]), [[0, 2, 3]]);
    }

    #[test]
    fn a_long_way_with_very_many_ways_back_has_one() {
        let count = 50_000;
        let after: Vec<Vec<usize>> = (0..count).map(|at| vec![(at + 1) % count, 0]).collect();
        assert_eq!(cycles(&after), [[0]]);
        let ring: Vec<Vec<usize>> = (0..count).map(|at| vec![(at + 1) % count, at / 2 + 1]).collect();
        assert_eq!(cycles(&ring).len(), 1);
    }
}
