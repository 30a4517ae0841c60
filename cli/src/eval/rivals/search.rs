//! The best file of a rival in so many bytes: by PSNR, over all shrinkings and qualities.

use std::collections::BTreeMap;
use std::time::Duration;

use flextok::image::RgbImage;
use flextok::metrics::Metric;
use flextok::{Size, Threads};
use rayon::prelude::*;

use super::program::{Bench, Made, RivalError};
use super::{Installed, Recipe, SHRINKINGS};

/// A file that fits, with what it is worth.
pub(crate) struct Fitted {
    pub(crate) recipe: Recipe,
    pub(crate) file: Vec<u8>,
    pub(crate) time: Duration,
    psnr: f64,
}

/// What came of a search.
pub(crate) struct Best {
    /// For each budget the file of the best PSNR; none where none fits.
    pub(crate) files: Vec<Option<Fitted>>,
    /// Why there was no file for some shrinking or setting, if a program failed.
    pub(crate) failure: Option<RivalError>,
}

/// The file of the best PSNR in at most so many bytes, for each of the budgets; those without a number get none.
///
/// Of each shrinking the highest setting that fits is taken. It is found by bisection, since bytes rise with the setting:
/// where they do not, a file that is slightly better may be missed. A setting with which the program fails does not fit.
/// `together` says whether several shrinkings may be tried at once, each of which takes memory for the picture twice.
pub(crate) fn best(
    installed: &Installed,
    original: &RgbImage,
    budgets: &[Option<u64>],
    threads: &Threads,
    together: bool,
) -> Best {
    let search = |shrinking| {
        let mut search = Search::new(installed, original, shrinking, threads);
        let files = search.files(budgets);
        (files, search.failure)
    };
    let searched: Vec<_> = if together {
        let each = || SHRINKINGS.into_par_iter().with_max_len(1);
        threads.install(|| each().map(search).collect())
    } else {
        SHRINKINGS.into_iter().map(search).collect()
    };
    let mut best = Best {
        files: budgets.iter().map(|_| None).collect(),
        failure: None,
    };
    for (files, failure) in searched {
        best.failure = best.failure.or(failure);
        for (best, file) in best.files.iter_mut().zip(files) {
            let worth = |file: &Option<Fitted>| file.as_ref().map_or(f64::MIN, |file| file.psnr);
            if worth(&file) > worth(best) {
                *best = file;
            }
        }
    }
    best
}

/// The search over the settings of one shrinking.
struct Search<'a> {
    installed: &'a Installed,
    original: &'a RgbImage,
    recipe: Recipe,
    threads: &'a Threads,
    bench: Option<Bench<'a>>,
    /// Files by setting; none where the program failed.
    made: BTreeMap<u32, Option<Made>>,
    /// PSNR by setting.
    worth: BTreeMap<u32, Option<f64>>,
    failure: Option<RivalError>,
}

impl<'a> Search<'a> {
    fn new(
        installed: &'a Installed,
        original: &'a RgbImage,
        shrinking: u32,
        threads: &'a Threads,
    ) -> Self {
        let recipe = Recipe {
            rival: installed.rival,
            setting: 0,
            shrinking,
        };
        let mut search = Self {
            installed,
            original,
            recipe,
            threads,
            bench: None,
            made: BTreeMap::new(),
            worth: BTreeMap::new(),
            failure: None,
        };
        search.bench = search.kept(installed.bench(original, recipe, threads));
        search
    }

    fn files(&mut self, budgets: &[Option<u64>]) -> Vec<Option<Fitted>> {
        let most = budgets.iter().flatten().max().copied();
        let fits = most.is_some_and(|most| self.fits(0, most));
        budgets
            .iter()
            .map(|budget| fits.then(|| self.file((*budget)?)).flatten())
            .collect()
    }

    /// The best file of at most so many bytes.
    fn file(&mut self, budget: u64) -> Option<Fitted> {
        let setting = self.highest(budget)?;
        let recipe = Recipe {
            setting,
            ..self.recipe
        };
        let made = self.made.get(&setting)?.as_ref()?;
        let (file, time) = (made.file.clone(), made.time);
        let psnr = self.worth(&file, recipe)?;
        Some(Fitted {
            recipe,
            file,
            time,
            psnr,
        })
    }

    /// The highest setting whose file has at most so many bytes.
    fn highest(&mut self, budget: u64) -> Option<u32> {
        if !self.fits(0, budget) {
            return None;
        }
        let (mut fitting, mut above) = (0, self.recipe.rival.settings());
        // What is known already.
        for (&setting, made) in &self.made {
            let fits = made
                .as_ref()
                .is_some_and(|made| made.file.len() as u64 <= budget);
            if fits {
                fitting = setting;
            } else {
                above = setting;
                break;
            }
        }
        while above - fitting > 1 {
            let middle = fitting + (above - fitting) / 2;
            if self.fits(middle, budget) {
                fitting = middle;
            } else {
                above = middle;
            }
        }
        Some(fitting)
    }

    fn fits(&mut self, setting: u32, budget: u64) -> bool {
        if !self.made.contains_key(&setting) {
            let made = self.bench.as_ref().map(|bench| bench.encode(setting));
            let made = made.and_then(|made| self.kept(made));
            self.made.insert(setting, made);
        }
        let made = self.made.get(&setting).and_then(Option::as_ref);
        made.is_some_and(|made| made.file.len() as u64 <= budget)
    }

    fn worth(&mut self, file: &[u8], recipe: Recipe) -> Option<f64> {
        if let Some(worth) = self.worth.get(&recipe.setting) {
            return *worth;
        }
        let size = Size::from(self.original.dimensions());
        let decoded = self.installed.decode(file, recipe, size, self.threads);
        // Both have one size, so that there is no error.
        let worth = self.kept(decoded).and_then(|(decoded, _)| {
            let psnr = Metric::Psnr.measure(self.original, &decoded, self.threads);
            psnr.ok()
        });
        self.worth.insert(recipe.setting, worth);
        worth
    }

    /// What there is; a failure is kept, the first one.
    fn kept<T>(&mut self, result: Result<T, RivalError>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.failure.get_or_insert(error);
                None
            }
        }
    }
}
