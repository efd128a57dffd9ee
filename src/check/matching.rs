//! Places for everyone: whether things that can go to some places each find one, whoever comes first.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// So many steps are spent on finding everyone a place. Whoever is left then is taken to have one.
const MOST_STEPS: usize = 1 << 22;

/// Demands of one class have the same places to choose from. They are placed one by one, and moved from place to
/// place where that makes room: a shortest augmenting path, so that a demand is left over only if no way of placing
/// all of them leaves room for it.
#[derive(Debug)]
pub struct Matching {
    /// The classes, by their places.
    classes: BTreeMap<Vec<usize>, usize>,
    /// The places that each class may go to.
    choices: Vec<Vec<usize>>,
    /// What is full for a class stays so, until something is taken away.
    full: Vec<bool>,
    /// How many of which class are in each place.
    inside: Vec<BTreeMap<usize, u128>>,
    /// How many more each place takes.
    left: Vec<u128>,
    steps: usize,
}

impl Matching {
    /// Places that take so many each.
    pub fn new(left: Vec<u128>) -> Self {
        let inside = vec![BTreeMap::new(); left.len()];
        Self { classes: BTreeMap::new(), choices: Vec::new(), full: Vec::new(), inside, left, steps: 0 }
    }

    /// Places one more that may go to any of these places; `false` if there is no room however the others are moved.
    pub fn place(&mut self, choices: &[usize]) -> bool {
        let class = self.class(choices);
        self.full[class] = self.full[class] || !self.make_room(class);
        !self.full[class]
    }

    /// Takes away `count` of those that may go to any of these places.
    pub fn take_away(&mut self, choices: &[usize], mut count: u128) {
        let class = self.class(choices);
        for place in choices {
            let gone = self.inside[*place].get(&class).map_or(0, |inside| count.min(*inside));
            if gone > 0 {
                self.leave(class, *place, gone);
                self.left[*place] += gone;
                count -= gone;
                self.full.fill(false);
            }
        }
    }

    fn class(&mut self, choices: &[usize]) -> usize {
        if let Some(class) = self.classes.get(choices) {
            return *class;
        }
        let class = self.choices.len();
        self.classes.insert(choices.to_vec(), class);
        self.choices.push(choices.to_vec());
        self.full.push(false);
        class
    }

    fn make_room(&mut self, class: usize) -> bool {
        // How each place was come to: whose move out of which place makes room there.
        let mut came: BTreeMap<usize, Option<(usize, usize)>> = BTreeMap::new();
        let mut queue: VecDeque<usize> = VecDeque::new();
        let mut moved: BTreeSet<usize> = BTreeSet::new();
        for place in &self.choices[class] {
            self.steps += 1;
            if self.left[*place] > 0 {
                self.shift(class, *place, &came);
                return true;
            }
        }
        for place in &self.choices[class] {
            came.insert(*place, None);
            queue.push_back(*place);
        }
        while let Some(place) = queue.pop_front() {
            if self.left[place] > 0 {
                self.shift(class, place, &came);
                return true;
            }
            for mover in self.inside[place].keys().copied() {
                self.steps += 1;
                if !moved.insert(mover) {
                    continue;
                }
                for next in &self.choices[mover] {
                    self.steps += 1;
                    came.entry(*next).or_insert_with(|| {
                        queue.push_back(*next);
                        Some((mover, place))
                    });
                }
            }
            if self.steps > MOST_STEPS {
                return true;
            }
        }
        false
    }

    /// Moves everyone along the way that led to a free place, and puts one more at its beginning.
    fn shift(&mut self, class: usize, free: usize, came: &BTreeMap<usize, Option<(usize, usize)>>) {
        self.left[free] -= 1;
        let mut into = free;
        while let Some(Some((mover, from))) = came.get(&into).copied() {
            *self.inside[into].entry(mover).or_default() += 1;
            self.leave(mover, from, 1);
            into = from;
        }
        *self.inside[into].entry(class).or_default() += 1;
    }

    fn leave(&mut self, class: usize, place: usize, count: u128) {
        let Some(inside) = self.inside[place].get_mut(&class) else { return };
        *inside -= count;
        if *inside == 0 {
            self.inside[place].remove(&class);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Matching;
    use proptest::collection::vec;
    use proptest::prelude::{prop_assert_eq, proptest};

    /// The most that can be placed, by trying everything.
    fn most(demands: &[Vec<usize>], left: &mut Vec<u128>) -> usize {
        let Some((first, rest)) = demands.split_first() else { return 0 };
        let mut best = most(rest, left);
        for place in first {
            if left[*place] > 0 {
                left[*place] -= 1;
                best = best.max(1 + most(rest, left));
                left[*place] += 1;
            }
        }
        best
    }

    proptest! {
        #[test]
        fn as_many_are_placed_as_can_be(demands in vec(vec(0_usize..4, 0..3), 0..7), left in vec(0_u128..3, 4)) {
            let (mut matching, mut left) = (Matching::new(left.clone()), left);
            let placed = demands.iter().filter(|choices| matching.place(choices)).count();
            prop_assert_eq!(placed, most(&demands, &mut left));
        }

        #[test]
        fn what_is_taken_away_makes_room(demands in vec(vec(0_usize..4, 1..3), 0..6), left in vec(0_u128..3, 4)) {
            let (mut matching, mut left) = (Matching::new(left.clone()), left);
            let mut placed: Vec<Vec<usize>> = Vec::new();
            for (at, choices) in demands.iter().enumerate() {
                if matching.place(choices) {
                    placed.push(choices.clone());
                }
                if at % 2 == 1 && let Some(choices) = placed.pop() {
                    matching.take_away(&choices, 1);
                }
            }
            let more = [vec![0, 1, 2, 3], vec![0, 1, 2, 3]];
            let all: Vec<Vec<usize>> = placed.iter().chain(&more).cloned().collect();
            let count = placed.len() + more.iter().filter(|choices| matching.place(choices)).count();
            prop_assert_eq!(count, most(&all, &mut left));
        }
    }
}
