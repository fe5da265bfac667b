"""What the help of the commands says at length."""

from __future__ import annotations

EXAMPLES = """
Examples:
  fanin verify
      Nielsen's neuron: N(0,1) weights against weights scaled by 1/sqrt(fan-in)
  fanin verify deep
      ten sigmoid layers of 1000: saturation and gradients, layer by layer
  fanin verify random-inputs --networks 1e8
      another built-in study, with more networks than its default
  fanin verify deep --until decided
      as many networks as it takes, with the same error rate
  fanin verify all
      every built-in study; the exit code is the worst
  fanin verify --widths 784,1 --scheme he_normal --inputs gaussian
      a neuron of your own
  fanin verify --widths 784,256,10 --activation relu --scheme he_normal --inputs gaussian --cost softmax --targets one-hot
      a network of your own, forward and backward
  fanin verify --widths 100,100,1 --activation "tanh;identity" --scheme "lecun_normal;normal:1/fan_in+normal:0.1"
      an activation and a scheme for each layer
  fanin verify --widths 100,100,100 --activation tanh --inputs pair:1:0.5 --method conditional --layers
      two inputs through each network, and every claim of every layer
  fanin verify --widths 300,1 --scheme uniform:1/fan_avg+normal:0.1
      laws spelled out: Glorot's uniform weights, N(0, 0.01) biases
  fanin verify --inputs images.csv,scale=0.0039
      each network sees one row of a file
  fanin verify --json | jq .digest
      one JSON object and nothing else
  fanin verify --output run.nc --plot run.png
      keep the run and draw it; fanin show run.nc prints it again
  fanin init study.toml && fanin verify study.toml
      a study of your own
  fanin theory tanh --bias-std 0.05
      what theory says of deep networks: fixed points, edge of chaos, layer by layer
"""

PLAN_EXAMPLES = """
Examples:
  fanin plan deep
      networks and seconds that decide each claim
  fanin plan --networks 1e8
      the smallest deviations that 1e8 networks of the default study see
  fanin plan --widths 784,256,10 --activation relu --scheme he_normal --inputs gaussian --until decided
  fanin plan costs --tolerance 0.5 --json | jq .needed
"""

SHOW_EXAMPLES = """
Examples:
  fanin show run.nc
  fanin show run.nc --layers
      every claim of every layer of a network
  fanin show run.nc --plot run.png
"""

STUDY = (
    "single-neuron (default), random-inputs, real-inputs, deep, costs, depth, finite-width or samplers; all: every one of them; a "
    ".toml file (see `fanin init`) or a folder of them; or a result file, which is judged again without sampling."
)
PLANNED = "single-neuron (default), random-inputs, real-inputs, deep, costs, depth, finite-width or samplers; or a .toml file."
METHOD = (
    "direct (every weight is drawn; the default unless the study says otherwise), conditional (Gaussian weights are integrated "
    "out, exactly) or auto (conditional where it is exact and assumes none of the claims)."
)
SCHEME = (
    "Its initialization: a name that `fanin schemes` lists, such as he_normal or keras.dense; or a law such as normal:0.1 "
    "(standard deviation) or uniform:2/fan_in (variance over fan_in, fan_out, fan_avg or fan_max), with +LAW for the bias. "
    "Families: normal, uniform, truncated (,cut=2; ,raw: not rescaled), constant, rademacher, laplace, student (,df=5), "
    "orthogonal; ,sparse=0.9 makes a share of the parameters zero. One for all layers, or one for each with ; between them."
)
ACTIVATION = (
    "sigmoid (default), tanh, relu, leaky_relu[:SLOPE], elu[:ALPHA], selu, gelu, silu, softplus, hard_tanh, erf or identity. One "
    "for all layers, the output included, or one for each with ; between them."
)
INPUTS = (
    "half-on (default), on:K, subset:K, bernoulli:P, gaussian:STD, uniform:LOW:HIGH, sparse:ZERO:STD or ar1:RHO:STD; pair:Q:C (two "
    "inputs of squared length Q times fan-in and correlation C); "
    "covariance:FILE (Gaussian); digits, or a file of which each network sees a row: .npy, .npz (,array=NAME), .csv, or MNIST's "
    "IDX, also gzipped. Add ,shared to give all networks one draw. Data take, in the order written, ,scale=F ,standardise "
    "(columns; =all: the table) ,unit (to [0, 1]) ,threshold=T (bits), and ,in-turn (network i sees row i) or ,row=K."
)
COST = (
    "What is sent back from the output: none (default), linear (a random direction), quadratic, cross-entropy (sigmoid outputs) or "
    "softmax."
)
TARGETS = "Of the last three costs: random bits (default; for softmax a random class), one-hot, or a number for each output."

STORE_EXAMPLES = """
Examples:
  fanin verify --networks 1e9 --store runs.fanin
      keep every finished task; after an interruption the same command goes on from there
  fanin store list runs.fanin
      the runs of a store
  fanin store merge all.fanin one.fanin two.fanin
      the work of two machines in one store
  fanin store check all.fanin
      hold every row against its sha256
  fanin store export all.fanin 1ce486 --output run.json
      a run as a result file
"""
