//! The arithmetic of hardening: spelling of steps, and that before and after are each other's inverse.

use super::*;
use crate::dice::DiceThreshold;

#[test]
fn steps_read_back_as_they_are_written_and_in_no_other_spelling() {
    let steps = [
        Step::Salt { field: "birth_date".to_owned(), take: Take::Prefix(3) },
        Step::Salt { field: "birth_date".to_owned(), take: Take::Whole },
        Step::diffusion(30_000, 412_876).unwrap(),
        Step::XorFold,
        Step::Rule90,
        Step::Balance,
        Step::Blip { flip_ppm: 50_000 },
    ];
    for step in &steps {
        assert_eq!(step.to_string().parse(), Ok(step.clone()));
    }
    assert_eq!(steps[2].to_string(), "diffusion rho 0.03 density 0.412876 inputs 3");
    for text in [
        "",
        "salt",
        "salt Birth whole",
        "salt birth prefix 0",
        "salt birth prefix 03",
        "diffusion rho 0.03 density 0.412876 inputs 2",
        "diffusion rho 0.030 density 0.412876 inputs 3",
        "diffusion rho 1 density 0.4 inputs 2",
        "diffusion rho 0.03 density 0.6 inputs 2",
        "blip flip 1",
        "blip  flip 0.05",
        "rule 90",
    ] {
        assert_eq!(text.parse::<Step>(), Err(StepError), "{text}");
    }
}

#[test]
fn diffusion_takes_the_fewest_inputs_that_reach_rho_and_never_one() {
    for (rho, density, inputs) in [
        (30_000, 500_000, Some(2)),
        (30_000, 440_000, Some(2)),
        (30_000, 412_876, Some(3)),
        (30_000, 360_000, Some(3)),
        (30_000, 200_000, Some(7)),
        (2_000, 200_000, Some(13)),
        (30_000, 1_000, None),
        (30_000, 500_001, None),
        (0, 300_000, None),
        (1_000_000, 300_000, None),
    ] {
        let found = Step::diffusion(rho, density).map(|step| match step {
            Step::Diffusion { inputs, .. } => inputs,
            _ => 0,
        });
        assert_eq!(found, inputs, "rho {rho} density {density}");
    }
}

#[test]
fn similarities_before_and_after_are_each_others_inverse() {
    let lists = [
        vec![],
        vec![Step::diffusion(30_000, 400_000).unwrap()],
        vec![Step::XorFold, Step::Rule90],
        vec![Step::Rule90, Step::diffusion(100_000, 440_000).unwrap(), Step::Balance],
        vec![Step::Balance, Step::Blip { flip_ppm: 100_000 }],
    ];
    for steps in lists {
        let model = Model::new(&steps, 0.4);
        let mut last = f64::NEG_INFINITY;
        for before in [0.65, 0.7, 0.8, 0.9, 0.95, 1.0] {
            let after = model.dice_after(before);
            assert!(after > last && after <= 1.0, "{steps:?}: {after} after {last}");
            // So many bits that rounding to whole ones does not show.
            let bits = 1 << 30;
            let differing = (1.0 - after) * 2.0 * model.density_after() * bits as f64;
            let found = model.estimate_before(differing.round() as u32, bits);
            assert!((found - before).abs() < 1e-6, "{steps:?} {before}: {found}");
            last = after;
        }
    }
    let none = Model::new(&[], 0.3);
    assert_eq!((none.dice_after(0.8), none.density_after()), (0.8, 0.3));
}

#[test]
fn the_model_of_a_header_is_that_of_its_schema() {
    for name in ["person-ja-hardened", "person-en-hardened"] {
        let schema = crate::schema::LinkageSchema::shipped(name).unwrap();
        let (own, from_steps) = (schema.hardening_model(), Model::from_steps(schema.hardening()).unwrap());
        assert!((own.density_before() - from_steps.density_before()).abs() < 1e-6);
        let rho = 1.0 - 2.0 * own.density_after();
        assert!((0.0..=0.03).contains(&rho), "{name}: {rho}");
    }
    assert_eq!(Model::from_steps(&[Step::XorFold]), None);
    let steps = [Step::XorFold, Step::diffusion(30_000, 320_000).unwrap()];
    assert!((Model::from_steps(&steps).unwrap().density_before() - 0.2).abs() < 1e-9);
}

#[test]
fn the_thresholds_of_the_hardened_schemas_are_those_of_the_standard_ones() {
    for (plain, hardened) in [("person-ja", "person-ja-hardened"), ("person-en", "person-en-hardened")] {
        let shipped = |name| crate::schema::LinkageSchema::shipped(name).unwrap();
        let schema = shipped(hardened);
        let mapped = schema.hardening_model().threshold_after(shipped(plain).threshold(), schema.clk_bits());
        assert_eq!(schema.threshold(), mapped, "{hardened}");
    }
}

#[test]
fn a_perfect_match_stays_one_and_epsilon_is_that_of_randomised_response() {
    let model = Model::new(&[Step::diffusion(30_000, 400_000).unwrap()], 0.4);
    assert_eq!(model.threshold_after(DiceThreshold::from_ppm(1_000_000).unwrap(), 1024).ppm(), 1_000_000);
    // Filters that differ in half of their bits tell nothing: they may be as alike as chance makes any two.
    for (differing, expected) in [(0, 1.0), (512, 0.375), (600, 0.375)] {
        assert!((model.estimate_before(differing, 1024) - expected).abs() < 1e-12, "{differing}");
    }
    let epsilon = Step::Blip { flip_ppm: 100_000 }.epsilon_per_bit().unwrap();
    assert!((epsilon - 19.0f64.ln()).abs() < 1e-12);
    assert_eq!(Step::Balance.epsilon_per_bit(), None);
}

#[test]
fn profiles_follow_from_segments_and_rho() {
    for (segments, rho, expected) in
        [(1, 0, "standard"), (1, 30_000, "hardened"), (1, 30_001, "standard"), (8, 0, "max-quality")]
    {
        assert_eq!(Profile::of(segments, rho).to_string(), expected);
    }
}
