import mlx.core as mx
import numpy as np
import pytest

from artkit.nets.statistics import column_sums, directions, gram, square_root, total


def test_gram_of_flat_picture_is_outer_product():
    pixel = mx.array([1.0, 2.0, 3.0])
    flat = mx.broadcast_to(pixel, (1, 8, 5, 3))
    assert mx.allclose(gram(flat)[0], mx.outer(pixel, pixel))


def test_gram_counts_each_picture_alone(rng: np.random.Generator):
    features = mx.array(rng.normal(size=(2, 4, 6, 3)).astype(np.float32))
    assert mx.allclose(gram(features)[1], gram(features[1:])[0], rtol=1e-5)


def test_total_is_exact_where_one_sum_drifts():
    values = mx.full((1, 2048, 2048, 3), 0.1)
    assert total(values).item() == pytest.approx(0.1 * 2048 * 2048 * 3, rel=1e-4)


@pytest.mark.parametrize("channels", [1, 5, 64])
def test_square_root_squares_to_the_matrix(rng: np.random.Generator, channels: int):
    a = rng.normal(size=(3, channels, 2 * channels)).astype(np.float32)
    matrix = a @ a.transpose(0, 2, 1) / (2 * channels)
    root = np.array(square_root(mx.array(matrix), iterations=20, epsilon=0))
    np.testing.assert_allclose(root @ root, matrix, rtol=1e-3, atol=1e-3)


def test_square_root_of_a_singular_matrix_is_finite():
    root = square_root(mx.outer(mx.arange(4.0), mx.arange(4.0)))
    assert mx.isfinite(root).all()
    assert mx.allclose(root @ root, mx.outer(mx.arange(4.0), mx.arange(4.0)), atol=1e-2)


def test_directions_have_length_one_and_follow_the_key():
    a, b = directions(7, 12, mx.random.key(1)), directions(7, 12, mx.random.key(2))
    assert mx.allclose(mx.linalg.norm(a, axis=0), mx.ones(7), rtol=1e-5)
    assert not mx.allclose(a, b)
    assert mx.array_equal(a, directions(7, 12, mx.random.key(1)))


def test_column_sums_are_exact_over_millions_of_positions():
    rows = 0.37 + 0.1 * np.random.default_rng(0).random((2_000_000, 4), dtype=np.float32)
    np.testing.assert_allclose(np.array(column_sums(mx.array(rows))), rows.sum(axis=0, dtype=np.float64), rtol=1e-5)
