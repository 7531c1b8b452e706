//! Which rules are mere reachability: every branch moves a goal, or an answer, along.

use crate::ir::{Branch, Clause, Rule, RuleIndex, Slot, Term, slots_of};

/// How each branch can take part in a closure; `None` if one cannot.
pub fn shape(rules: &[Rule], index: RuleIndex, bound: &[bool]) -> Option<Vec<Shape>> {
    let rule = &rules[usize::from(index)];
    rule.branches
        .iter()
        .map(|b| branch_shape(b, rules, index, bound))
        .collect()
}

fn branch_shape(
    branch: &Branch,
    rules: &[Rule],
    index: RuleIndex,
    bound: &[bool],
) -> Option<Shape> {
    let rule = &rules[usize::from(index)];
    let mut inside = Vec::new();
    branch.body.iter().for_each(|c| calls(c, &mut inside));
    if !rule.recursive
        || !inside
            .iter()
            .any(|r| rules[usize::from(*r)].component == rule.component)
    {
        return Some(Shape::Base);
    }
    let own: Vec<usize> = (0..branch.body.len())
        .filter(|i| matches!(branch.body[*i], Clause::Call { rule: r, .. } if r == index))
        .collect();
    // calls of other rules of the component, or nested ones, need the fixpoint
    if inside
        .iter()
        .filter(|r| rules[usize::from(**r)].component == rule.component)
        .count()
        != own.len()
    {
        return None;
    }
    let head_goal = select(&branch.head, bound, true);
    let head_free = select(&branch.head, bound, false);
    match own.as_slice() {
        [call] => {
            let arguments = arguments_of(&branch.body[*call]);
            let rest = slots_of(
                branch
                    .body
                    .iter()
                    .enumerate()
                    .filter(|(i, _)| i != call)
                    .map(|(_, c)| c),
            );
            let passes = |which: bool, head: &[Slot]| {
                let given = select(arguments, bound, which);
                given.iter().zip(head).all(|(t, s)| *t == Term::Slot(*s))
                    && !head.iter().any(|s| rest.contains(s))
            };
            // every slot of the other side must be known from elsewhere than the side that passes through
            let goal_arguments = select(arguments, bound, true);
            let known = |t: &Term| match t {
                Term::Slot(s) => rest.contains(s) || head_goal.contains(s),
                Term::Constant(_) => true,
                Term::Blank => false,
            };
            if passes(false, &head_free)
                && goal_arguments.iter().all(known)
                && !goal_arguments.iter().any(|t| is_one_of(*t, &head_free))
            {
                return Some(Shape::Goals(*call));
            }
            let free_arguments = select(arguments, bound, false);
            if passes(true, &head_goal) && !free_arguments.iter().any(|t| is_one_of(*t, &head_goal))
            {
                return Some(Shape::Answers(*call));
            }
            None
        }
        [one, two] if branch.body.len() == 2 && head_goal.len() == head_free.len() => {
            let is = |first: &usize, second: &usize| {
                let (first, second) = (
                    arguments_of(&branch.body[*first]),
                    arguments_of(&branch.body[*second]),
                );
                let middle = select(first, bound, false);
                select(first, bound, true)
                    .iter()
                    .zip(&head_goal)
                    .all(|(t, s)| *t == Term::Slot(*s))
                    && select(second, bound, false)
                        .iter()
                        .zip(&head_free)
                        .all(|(t, s)| *t == Term::Slot(*s))
                    && middle == select(second, bound, true)
                    && middle.iter().enumerate().all(|(i, t)| {
                        matches!(t, Term::Slot(_))
                            && !is_one_of(*t, &branch.head)
                            && !middle[..i].contains(t)
                    })
            };
            (is(one, two) || is(two, one)).then_some(Shape::Transitive)
        }
        _ => None,
    }
}

fn is_one_of(term: Term, slots: &[Slot]) -> bool {
    matches!(term, Term::Slot(s) if slots.contains(&s))
}

/// How a branch takes part in a closure.
pub enum Shape {
    /// No recursion.
    Base,
    /// The call at this place has the head's free arguments: it only moves the goal.
    Goals(usize),
    /// The call at this place has the head's bound arguments: it only moves the answers.
    Answers(usize),
    /// `p(x, y), p(y, z)` and nothing else.
    Transitive,
}

pub fn select<T: Copy>(all: &[T], bound: &[bool], which: bool) -> Vec<T> {
    all.iter()
        .zip(bound)
        .filter(|(_, b)| **b == which)
        .map(|(t, _)| *t)
        .collect()
}

/// Which arguments make the goal of a call. A goal is one evaluation, so few different goals are better than narrow ones: the `fixed`
/// ones, known and the same for the whole query, if there are any; else the `known` ones, of two the first; and the `required` ones.
pub fn choose_goal(fixed: Vec<bool>, known: Vec<bool>, required: &[bool]) -> Vec<bool> {
    let chosen = if fixed.contains(&true) {
        fixed
    } else if known == [true, true] {
        vec![true, false]
    } else {
        known
    };
    let both = chosen.iter().zip(required);
    both.map(|(c, r)| *c || *r).collect()
}

pub fn arguments_of(clause: &Clause) -> &[Term] {
    match clause {
        Clause::Call { arguments, .. } => arguments,
        _ => &[],
    }
}

fn calls(clause: &Clause, rules: &mut Vec<RuleIndex>) {
    match clause {
        Clause::Call { rule, .. } => rules.push(*rule),
        Clause::Not { body, .. } => body.iter().for_each(|c| calls(c, rules)),
        Clause::Or { branches, .. } => branches.iter().flatten().for_each(|c| calls(c, rules)),
        _ => {}
    }
}
