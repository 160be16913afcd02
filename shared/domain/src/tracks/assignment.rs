//! Assigns detections to tracks at the least total cost (the Hungarian algorithm).

/// Returns the pairs (row, column) of the least total cost. Each row and each column is in at most one pair. A pair
/// without a cost is impossible. A row that stays without a pair although a column is free costs `unpaired`.
pub(super) fn assign(costs: &[Vec<Option<f64>>], columns: usize, unpaired: f64) -> Vec<(usize, usize)> {
    let rows = costs.len();
    let cost = |row: usize, column: usize| costs[row][column].unwrap_or(unpaired);
    let solved: Vec<(usize, usize)> = if rows <= columns {
        columns_of_rows(rows, columns, cost).into_iter().enumerate().collect()
    } else {
        let transposed = columns_of_rows(columns, rows, |row, column| cost(column, row));
        transposed.into_iter().enumerate().map(|(column, row)| (row, column)).collect()
    };
    solved.into_iter().filter(|(row, column)| costs[*row][*column].is_some()).collect()
}

/// Returns the column of each row, for at most as many rows as columns: augments along shortest paths, row by row (Kuhn
/// and Munkres, with potentials; O(rows² × columns)).
fn columns_of_rows(rows: usize, columns: usize, cost: impl Fn(usize, usize) -> f64) -> Vec<usize> {
    let (mut row_potential, mut column_potential) = (vec![0.0; rows], vec![0.0; columns]);
    let mut row_of: Vec<Option<usize>> = vec![None; columns];
    for first in 0..rows {
        let mut distance = vec![f64::INFINITY; columns];
        let mut previous: Vec<Option<usize>> = vec![None; columns]; // the previous column on the path
        let mut visited = vec![false; columns];
        let (mut row, mut at) = (first, None);
        let free = loop {
            for column in (0..columns).filter(|column| !visited[*column]) {
                let reduced = cost(row, column) - row_potential[row] - column_potential[column];
                if reduced < distance[column] {
                    (distance[column], previous[column]) = (reduced, at);
                }
            }
            let open = (0..columns).filter(|column| !visited[*column]);
            let Some(nearest) = open.min_by(|a, b| distance[*a].total_cmp(&distance[*b])) else { break None };
            let step = distance[nearest];
            row_potential[first] += step;
            for column in 0..columns {
                match row_of[column].filter(|_| visited[column]) {
                    Some(row) => {
                        row_potential[row] += step;
                        column_potential[column] -= step;
                    }
                    None => distance[column] -= step,
                }
            }
            (visited[nearest], at) = (true, Some(nearest));
            match row_of[nearest] {
                Some(next) => row = next,
                None => break Some(nearest),
            }
        };
        let mut end = free;
        while let Some(column) = end {
            end = previous[column];
            row_of[column] = end.map_or(Some(first), |before| row_of[before]);
        }
    }
    let mut column_of = vec![0; rows];
    for (column, row) in row_of.iter().enumerate() {
        row.iter().for_each(|row| column_of[*row] = column);
    }
    column_of
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const UNPAIRED: f64 = 20.0;

    /// The least total by brute force: each row stays without a column, or takes any free one.
    fn least(costs: &[Vec<Option<f64>>], taken: &mut Vec<usize>, columns: usize) -> f64 {
        let Some((row, rest)) = costs.split_first() else { return 0.0 };
        let mut best = UNPAIRED + least(rest, taken, columns);
        for column in (0..columns).filter(|column| row[*column].is_some()) {
            if !taken.contains(&column) {
                taken.push(column);
                best = best.min(row[column].unwrap() + least(rest, taken, columns));
                taken.pop();
            }
        }
        best
    }

    #[test]
    fn the_whole_counts_and_not_the_best_pair() {
        let followers = vec![vec![Some(4.0), Some(16.0)], vec![Some(0.0), Some(4.0)]];
        assert_eq!(assign(&followers, 2, UNPAIRED), [(0, 0), (1, 1)]);
        assert_eq!(assign(&[], 3, UNPAIRED), []);
        assert_eq!(assign(&[vec![], vec![]], 0, UNPAIRED), []);
        assert_eq!(assign(&[vec![None], vec![Some(1.0)], vec![Some(0.5)]], 1, UNPAIRED), [(2, 0)]);
    }

    proptest! {
        #[test]
        fn nothing_is_cheaper((columns, costs) in (0..5_usize).prop_flat_map(|columns| {
            let cost = proptest::option::weighted(0.7, 0.0..UNPAIRED);
            (Just(columns), proptest::collection::vec(proptest::collection::vec(cost, columns), 0..5))
        })) {
            let pairs = assign(&costs, columns, UNPAIRED);
            for place in 0..5 {
                prop_assert!(pairs.iter().filter(|pair| pair.0 == place).count() <= 1);
                prop_assert!(pairs.iter().filter(|pair| pair.1 == place).count() <= 1);
            }
            let paid: f64 = pairs.iter().map(|(row, column)| costs[*row][*column].unwrap()).sum();
            let total = paid + UNPAIRED * (costs.len() - pairs.len()) as f64;
            prop_assert!((total - least(&costs, &mut Vec::new(), columns)).abs() < 1e-6, "{pairs:?}: {total}");
        }
    }
}
