"""What is changed in the engine's source to plant faults, each behind a switch, so that one compiled copy holds all of them.

In the new text `@NAME@` is true in a kernel while the fault NAME is chosen, `@@NAME@@` in plain Python. With none chosen the copy
gives the digests of the engine (`engine_faults` holds it to that).
"""

from __future__ import annotations

EDITS = (
    # Words and counters
    ("stream.py", 'f"{seed}|{label}"', 'f"{seed}|{label[:0] if @@label@@ else label}"'),
    ("philox.py", "| high, index, c2", "| high, np.uint64(0) if @index@ else index, c2"),
    (
        "philox.py",
        "c3 = block & LOW",
        "c3 = block & (np.uint64(255) if @block@ else np.uint64(65535) if @far_block@ else LOW)",
    ),
    (
        "direct.py",
        "draw_row(plan.input_row, lanes.words, plan.key, _INPUT, np.uint64(j), _LAYER, block, lanes.x)",
        "draw_row(plan.input_row, lanes.words, plan.key, _WEIGHT if @input_role@ else _INPUT, np.uint64(j), "
        "_LAYER, block, lanes.x)",
    ),
    (
        "conditional_layer.py",
        "            _NOISE,\n            np.uint64(network * points + a)",
        "            _FIELD if @noise_role@ else _NOISE,\n            np.uint64(network * points + a)",
    ),
    (
        "network_passes.py",
        "row_of_layer(plan.weights, layer), np.uint64(layer + 1)",
        "row_of_layer(plan.weights, layer), np.uint64(1) if @layer@ else np.uint64(layer + 1)",
    ),
    (
        "direct.py",
        "        count = min(np.int64(stream.BLOCK), networks",
        "        if @every_sixteenth@ or @one_lane@:\n"
        "            for g in range(5, stream.BLOCK, 16 if @every_sixteenth@ else stream.BLOCK):\n"
        "                lanes.z[g] = lanes.z[g - 1]\n"
        "        count = min(np.int64(stream.BLOCK), networks",
    ),
    # Normals
    (
        "laws.py",
        "std * np.sqrt(minus_two_log(first[i]))",
        "std * np.sqrt(minus_two_log(I(first[i] & (I(-65536) if @radius16@ else I(-4096) if @radius20@ else I(-1)))))",
    ),
    ("laws.py", "circle_point(second[i])", "circle_point(first[i] if @same_word@ else second[i])"),
    (
        "laws.py",
        "radius * y\n",
        "radius * (-x if @opposite@ else (x if second[i] & I(1) else -x) if @same_size@ else y)\n",
    ),
    ("laws.py", "_STEP, _HALF_STEP)", "_STEP, F(0.0) if @half_step@ else _HALF_STEP)"),
    ("laws.py", "exchange = word < I(0)", "exchange = (word < I(0)) and not @exchange@"),
    # Other laws
    (
        "laws.py",
        "signed_step(word, std * F(np.sqrt(3.0) * 2.0**-31)",
        "signed_step(word, std * (F(2.0**-31) if @limit@ else F(np.sqrt(3.0) * 2.0**-31))",
    ),
    ("rows.py", "cut = law.shape / math.sqrt(2.0)", "cut = law.shape / (1.0 if @@cut@@ else math.sqrt(2.0))"),
    ("rows.py", "parent / math.sqrt(8.0)", "parent / (2.0 if @@laplace@@ else math.sqrt(8.0))"),
    ("rows.py", "(1.0 - 2.0 / law.shape), law.shape]", "(1.0 - 2.0 / law.shape), law.shape - @@student@@]"),
    (
        "rows.py",
        "if words[half, i] & SIGN == 0",
        "if (words[half, i] >= np.int32(-8388608) if @coin@ else words[half, i] & SIGN == 0)",
    ),
    (
        "direct.py",
        "        add_normal(z, square, w, lanes.x)\n",
        "        if @sign@ and j == 0:\n            w[:] = -np.abs(w)\n        add_normal(z, square, w, lanes.x)\n",
    ),
    (
        "direct.py",
        "    project(z, square, plan.gain)\n",
        "    if @length@:\n        square[:] = F(plan.order)\n    project(z, square, plan.gain)\n",
    ),
    ("haar.py", "sign = F(1.0) if first[i] >= F(0.0)", "sign = F(1.0) if first[i] >= F(0.0) or @reflection@"),
    ("network_haar.py", "sign = ONE if first >= F(0.0)", "sign = ONE if first >= F(0.0) or @all_reflections@"),
    # One neuron
    (
        "direct.py",
        "    if plan.has_bias:\n        draw_parameter(plan, lanes, plan.bias, _BIAS, _ZERO, block)\n",
        "    if plan.has_bias and not @no_bias@:\n"
        "        if @two_biases@:\n"
        "            draw_parameter(plan, lanes, plan.bias, _BIAS, np.uint64(7), block)\n"
        "            add_multiple(lanes.z, lanes.w, F(1.0))\n"
        "        draw_parameter(plan, lanes, plan.bias, _BIAS, _ZERO, block)\n"
        "        if @block_bias@:\n"
        "            lanes.w[:] = lanes.w[0]\n",
    ),
    (
        "direct.py",
        "_toss(words, plan.input_count, x)",
        "_toss(words, np.int64(1) << np.int64(32) if j == 0 and @first_on@ else np.int64(plan.input_count), x)",
    ),
    (
        "direct.py",
        "weights=law_row(weights, *ensemble.widths[:2])",
        "weights=law_row(weights, *(ensemble.widths[1::-1] if @@fan_out@@ else ensemble.widths[:2]))",
    ),
    # Networks, directly
    (
        "network_lanes.py",
        "np.uint64(first // part), layer, block, w)\n        k = 0",
        "np.uint64(first // part + (total if is_back != 0 and @other_weights@ else 0)), layer, block, w)\n        k = 0",
    ),
    (
        "network_passes.py",
        "        if not is_back:\n            count_live",
        "        if is_back != 0 and @transpose@ and below == above:\n            is_back = np.int64(0)\n"
        "        if not is_back:\n            count_live",
    ),
    (
        "network_passes.py",
        "        phi[:, count:] = F(0.0)\n        slope[:, count:] = F(0.0)\n",
        "            if @slope_of_phi@:\n"
        "                call_activation(\n"
        "                    network.phi_address[layer],\n"
        "                    phi[a].ctypes.data,\n"
        "                    np.int64(count),\n"
        "                    network.phi_sizes[layer].ctypes.data,\n"
        "                    state.buffer.ctypes.data,\n"
        "                    slope[a].ctypes.data,\n"
        "                )\n"
        "        phi[:, count:] = F(0.0)\n        slope[:, count:] = F(0.0)\n",
    ),
    ("network_passes.py", "back[i] * slope[a, i]", "back[i] * (F(1.0) if @no_slope@ else slope[a, i])"),
    ("network_passes.py", "scale = 1.0 / total", "scale = 1.0 if @direction@ else 1.0 / total"),
    (
        "network_passes.py",
        "state.exponents[g, a] = exponent + normalise(",
        "state.exponents[g, a] = exponent + (0 if @exponent@ else 1) * normalise(",
    ),
    ("costs.py", "if cost == QUADRATIC else residual", "if cost == QUADRATIC or @entropy@ else residual"),
    (
        "costs.py",
        "out[g, k, (places[g * points + k] * outputs)",
        "out[g, k, ((np.int64(0) if @class0@ else places[g * points + k]) * outputs)",
    ),
    # Networks, conditionally
    (
        "conditional_layer.py",
        "covariance[a, b] = square * gram[a, b] + bias\n    cholesky",
        "covariance[a, b] = square * gram[a, b] + (bias if a == b or not @own_bias@ else 0.0)\n    cholesky",
    ),
    ("conditional_layer.py", "seen[a, c] * root[b, c]", "seen[a, c] * (0.0 if @projection@ else root[b, c])"),
    (
        "conditional_layer.py",
        "F(plan.weight_std[layer] * less * root[b, c])",
        "F(plan.weight_std[layer] * less * ((np.sqrt((root[b] ** 2).sum()) if b == c else 0.0) if @fresh@ else root[b, c]))",
    ),
    ("conditional_layer.py", "met[a, b] -= share[b]", "met[a, b] -= 0.0 if @share@ else share[b]"),
    ("conditional_layer.py", "if left > 0.0 else 0.0", "if left > 0.0 and not @tangent@ else 0.0"),
    # Activations
    (
        "activations.py",
        "@compiled_row(_SIGNATURE)\ndef _gelu(",
        "@inline\ndef _gelu_by_tanh(z):\n"
        "    t, steep = fmath.tanh(fmath.F(0.7978845608028654) * (z + fmath.F(0.044715) * z * z * z))\n"
        "    inner = fmath.F(0.7978845608028654) * (ONE + fmath.F(0.134145) * z * z)\n"
        "    return fmath.HALF * z * (ONE + t), fmath.HALF * (ONE + t) + fmath.HALF * z * steep * inner\n\n\n"
        "@compiled_row(_SIGNATURE)\ndef _gelu(",
    ),
    ("activations.py", "import compiled_row, kernel", "import compiled_row, inline, kernel"),
    ("activations.py", "= fmath.gelu(z[i])", "= _gelu_by_tanh(z[i]) if @gelu@ else fmath.gelu(z[i])"),
    (
        "activations.py",
        "= fmath.silu(z[i])",
        "= fmath.silu(z[i])\n        slope[i] = fmath.sigmoid(z[i])[0] if @product_rule@ else slope[i]",
    ),
    ("activations.py", "= fmath.erf(z[i])", "= fmath.erf(z[i] * (fmath.F(0.70710678) if @erf@ else ONE))"),
    (
        "activations.py",
        '            sizes = [_checked(shape, "slope of leaky',
        '            shape = 0.1 if @@leaky@@ else shape\n            sizes = [_checked(shape, "slope of leaky',
    ),
    ("activations.py", "sizes = [1.0, _checked(", "sizes = [1.0, 1.0 if @@alpha@@ else _checked("),
    (
        "activations.py",
        "sizes = [SELU_LAMBDA, SELU_LAMBDA * SELU_ALPHA]",
        "sizes = [1.05, 1.05 * 1.67] if @@selu@@ else [SELU_LAMBDA, SELU_LAMBDA * SELU_ALPHA]",
    ),
    ("math.py", "max(z, F(0.0)) + rest,", "max(z, F(0.0)) + (log(ONE + e) if @log1p@ else rest),"),
    # What is recorded
    ("exact.py", "sign * (high >> np.int64(32))", "sign * (np.int64(0) if @limb@ else high >> np.int64(32))"),
    (
        "record.py",
        "            power[i] *= values[i]",
        "            power[i] = np.float64(F(power[i]) * F(values[i])) if @float32@ else power[i] * values[i]",
    ),
    ("record.py", "np.int32(16)) & np.int32(0xFFFF)]", "np.int32(16)) + np.int32(@neuron_bins@) & np.int32(0xFFFF)]"),
    (
        "record.py",
        "np.int64(abs(z[i]) > tails[t] and",
        "np.int64((abs(z[i]) >= tails[t] if @tail@ else abs(z[i]) > tails[t]) and",
    ),
    (
        "record.py",
        "        live = abs(z[i]) < _LIMIT\n        scratch.finite[i]",
        "        live = abs(z[i]) < (F(8.0) if @dropped@ else _LIMIT)\n        scratch.finite[i]",
    ),
    ("record.py", "record.counts[_NONFINITE] += count - alive", "record.counts[_NONFINITE] += 0 if @dropped@ else count - alive"),
    (
        "direct.py",
        "count = min(np.int64(stream.BLOCK), ",
        "count = max(np.int64(stream.BLOCK) * @last_block@, min(np.int64(stream.BLOCK), ",
    ),
    (
        "direct.py",
        "networks - (block - first) * np.int64(stream.BLOCK))",
        "networks - (block - first) * np.int64(stream.BLOCK)))",
    ),
    (
        "accumulators.py",
        "name: self.sums[name] + other.sums[name]",
        "name: self.sums[name] + (2 if @@twice@@ else 1) * other.sums[name]",
    ),
    ("record.py", "level < _LOW or level > _HIGH", "level < _LOW or (level > _HIGH and not @one_end@)"),
    ("direct.py", "    for value in x:\n", "    for value in x[: 1 if @zero_lane@ else x.size]:\n"),
    (
        "direct.py",
        "draw_parameter(plan, lanes, plan.bias, _BIAS, np.uint64(1), block)",
        "draw_parameter(plan, lanes, plan.bias, _BIAS, _ZERO if @shared_bias@ else np.uint64(1), block)",
    ),
    (
        "network_record.py",
        "delta[i] * below[np.int64(i * step)",
        "delta[i] * below[np.int64(0) if @first_weight@ else np.int64(i * step)",
    ),
    ("accumulators.py", "bins=self.bins + other.bins", "bins=self.bins if @@bins_lost@@ else self.bins + other.bins"),
    ("network_record.py", "(totals[8] - padding) * share", "(totals[8] - (0.0 if @padding@ else padding)) * share"),
    (
        "network_record.py",
        "            to = zero + size",
        "            size = min(size + np.int64(@bins@), np.int64(_SIZES - 1))\n            to = zero + size",
    ),
    (
        "network_record.py",
        "bins[to, 1] += found * (found + total + total)",
        "bins[to, 1] += found if @squares@ else found * (found + total + total)",
    ),
)
"""By file of the engine: what is replaced, and by what."""
