//! The lapped transform against the coefficients that its reference in Python made of photos and drawings.

use flextok_plain::lot::{BLOCK, LappedTransform};
use safetensors::SafeTensors;

#[test]
fn coefficients_are_those_of_the_reference() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/data/builtin.golden.safetensors"
    );
    let bytes = std::fs::read(path).unwrap();
    let golden = SafeTensors::deserialize(&bytes).unwrap();
    for name in ["0", "1", "noise", "checkerboard", "white"] {
        let picture = golden.tensor(&format!("{name}.picture")).unwrap();
        let [rows, columns] = [picture.shape()[0] / BLOCK, picture.shape()[1] / BLOCK];
        let found = LappedTransform::new(rows, columns)
            .forward(picture.data())
            .unwrap();

        // The reference's axes are [3, rows, columns, 32, 32].
        let expected = golden.tensor(&format!("{name}.coefficients")).unwrap();
        let (values, _) = expected.data().as_chunks::<4>();
        let mut worst = 0.0f32;
        for (index, &value) in values.iter().enumerate() {
            let (uv, block) = (index % BLOCK.pow(2), index / BLOCK.pow(2));
            let (column, row, colour) = (
                block % columns,
                block / columns % rows,
                block / columns / rows,
            );
            let vu = uv % BLOCK * BLOCK + uv / BLOCK;
            let at = ((row * 3 + colour) * BLOCK.pow(2) + vu) * columns + column;
            worst = worst.max((found[at] - f32::from_le_bytes(value)).abs());
        }
        assert!(worst < 0.01, "{name}: {worst}");
    }
}
