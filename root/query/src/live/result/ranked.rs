//! A sorted sequence that knows the place of every element.

use std::cmp::Ordering;

/// Elements a chunk holds at most.
const CHUNK: usize = 512;

/// Elements in the order of a comparison that the caller passes, the same every time. Equal elements may repeat. Insertion, removal
/// and access by place take time in proportion to the number of chunks at most, some nanoseconds for each thousand elements.
#[derive(Clone, Debug)]
pub struct Ranked<T> {
    chunks: Vec<Vec<T>>,
    len: usize,
}

impl<T> Default for Ranked<T> {
    fn default() -> Self {
        Self {
            chunks: Vec::new(),
            len: 0,
        }
    }
}

impl<T> Ranked<T> {
    /// From elements in order.
    pub fn from_sorted(all: Vec<T>) -> Self {
        let len = all.len();
        let mut chunks = Vec::with_capacity(len.div_ceil(CHUNK / 2));
        let mut all = all.into_iter().peekable();
        while all.peek().is_some() {
            chunks.push(all.by_ref().take(CHUNK / 2).collect());
        }
        Self { chunks, len }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// The chunk and the place in it where an element is or would be, before those equal to it.
    fn locate(&self, compare: &impl Fn(&T) -> Ordering) -> (usize, usize) {
        let below = |c: &Vec<T>| c.last().is_some_and(|x| compare(x) == Ordering::Less);
        let c = self.chunks.partition_point(below);
        let i = self
            .chunks
            .get(c)
            .map_or(0, |c| c.partition_point(|x| compare(x) == Ordering::Less));
        (c, i)
    }

    /// The place of the first element that is not less; `compare` says how an element stands to the one looked for.
    pub fn rank(&self, compare: impl Fn(&T) -> Ordering) -> usize {
        let (c, i) = self.locate(&compare);
        self.chunks[..c].iter().map(Vec::len).sum::<usize>() + i
    }

    /// Inserts an element where `compare` says.
    pub fn insert(&mut self, element: T, compare: impl Fn(&T) -> Ordering) {
        let (c, i) = self.locate(&compare);
        self.len += 1;
        if c == self.chunks.len() {
            match self.chunks.last_mut() {
                Some(last) if last.len() < CHUNK => last.push(element),
                _ => self.chunks.push(vec![element]),
            }
            return;
        }
        let chunk = &mut self.chunks[c];
        chunk.insert(i, element);
        if chunk.len() > CHUNK {
            let half = chunk.split_off(CHUNK / 2);
            self.chunks.insert(c + 1, half);
        }
    }

    /// Takes out the first element that is equal.
    pub fn remove(&mut self, compare: impl Fn(&T) -> Ordering) -> Option<T> {
        let (c, i) = self.locate(&compare);
        let chunk = self.chunks.get_mut(c)?;
        if compare(chunk.get(i)?) != Ordering::Equal {
            return None;
        }
        let out = chunk.remove(i);
        if chunk.is_empty() {
            self.chunks.remove(c);
        }
        self.len -= 1;
        Some(out)
    }

    pub fn last(&self) -> Option<&T> {
        self.chunks.last()?.last()
    }

    pub fn pop(&mut self) -> Option<T> {
        let chunk = self.chunks.last_mut()?;
        let out = chunk.pop();
        if chunk.is_empty() {
            self.chunks.pop();
        }
        self.len -= usize::from(out.is_some());
        out
    }

    pub fn get(&self, place: usize) -> Option<&T> {
        self.from(place).next()
    }

    /// Elements from a place on.
    pub fn from(&self, place: usize) -> impl Iterator<Item = &T> {
        let mut skip = place;
        let mut c = 0;
        while let Some(chunk) = self.chunks.get(c)
            && skip >= chunk.len()
        {
            skip -= chunk.len();
            c += 1;
        }
        self.chunks[c..].iter().flatten().skip(skip)
    }

    /// Elements from the back.
    pub fn backwards(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().rev().flat_map(|c| c.iter().rev())
    }
}

#[cfg(test)]
mod tests {
    use super::Ranked;

    #[test]
    fn as_a_sorted_vector() {
        let mut ranked: Ranked<u32> = Ranked::default();
        let mut model: Vec<u32> = Vec::new();
        let mut seed = 7u64;
        for step in 0..20_000 {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let x = (seed >> 33) as u32 % 3000;
            let at = model.partition_point(|y| *y < x);
            if seed >> 63 == 0 || step < 5000 {
                model.insert(at, x);
                ranked.insert(x, |y| y.cmp(&x));
            } else {
                let there = model.get(at) == Some(&x);
                assert_eq!(ranked.remove(|y| y.cmp(&x)).is_some(), there);
                if there {
                    model.remove(at);
                }
            }
            assert_eq!(ranked.rank(|y| y.cmp(&x)), at);
            assert_eq!(ranked.len(), model.len());
            if step % 500 == 0 {
                assert!(ranked.from(0).eq(&model));
                assert!(ranked.from(model.len() / 3).eq(&model[model.len() / 3..]));
                assert!(ranked.backwards().eq(model.iter().rev()));
                assert_eq!(ranked.get(model.len() / 2), model.get(model.len() / 2));
            }
        }
        assert!(Ranked::from_sorted(model.clone()).from(0).eq(&model));
    }
}
