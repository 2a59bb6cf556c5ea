"""An independent checker of `.vxcert` certificates: standard library and numpy, nothing else.

It shares no code with the program that writes certificates. It reads the ONNX file itself,
follows the recipe of the certificate with rigorous arithmetic, and answers ACCEPTED, REJECTED
or REFUSED. `FORMAT.md` beside the writer says what it reads and what it demands, in order.

Read it in this order: `reasons` (why it refuses), `rounding` (what floating point may do),
`wire` and `container` (the two files), `operators` (ONNX node to piece), `pieces` (the five
kinds of piece), `regions` and `passes` (sets, and bounds over them), `gradients`, `exchange`,
`faces` and `tree` (what plain bounds do not decide), `claims` (what is concluded), `steps`.
"""
