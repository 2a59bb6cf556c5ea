"""The windows of convolutions and pools: sizes, paddings, places."""

from dataclasses import dataclass

from verixplain.network.graph import Site, limit, require


@dataclass(frozen=True)
class Windows:
    """Windows over the last dimensions of the first input, one entry per dimension.

    Window i of a dimension starts at `i * stride - begin` and has `kernel` places `dilation`
    apart; there are `counts` of them. `begin` and `end` is the padding the node declares;
    `beyond` is what the last window needs after it when `ceil_mode` rounds up.
    """

    sizes: tuple[int, ...]
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    begin: tuple[int, ...]
    end: tuple[int, ...]
    beyond: tuple[int, ...]
    counts: tuple[int, ...]

    @property
    def symmetric(self) -> bool:
        """Whether one number per dimension says all about padding."""
        return self.begin == self.end and not any(self.beyond)

    @property
    def halved(self) -> bool:
        """Whether padding is at most half a kernel, as torch's pools demand."""
        return all(pad <= k // 2 for pad, k in zip(self.begin, self.kernel, strict=True))

    @property
    def pads(self) -> list[int]:
        """All padding in the order of `torch.nn.functional.pad`, last dimension first."""
        ends = [end + more for end, more in zip(self.end, self.beyond, strict=True)]
        return pads(self.begin, ends)

    def places(self, dimension: int) -> list[list[int]]:
        """The places that each window covers; those outside the input are padding."""
        stride, dilation = self.strides[dimension], self.dilations[dimension]
        return [
            [
                i * stride - self.begin[dimension] + j * dilation
                for j in range(self.kernel[dimension])
            ]
            for i in range(self.counts[dimension])
        ]


def pads(begin, end) -> list[int]:
    """Paddings per dimension in the order of `torch.nn.functional.pad`."""
    return [n for pair in zip(reversed(begin), reversed(end), strict=True) for n in pair]


def windows(site: Site, kernel: tuple[int, ...], ceil_mode: bool = False) -> Windows:
    """The windows of a Conv or a pool, from its attributes and the shape of its first input."""
    rank = len(kernel)
    require(site.rank == rank + 2, f"a kernel {kernel} on an input of shape {site.shape(0)}")
    require(1 <= rank <= 3, f"{rank} dimensions; supported are 1 to 3")
    sizes = site.shape(0)[2:]
    strides = site.ints("strides") or (1,) * rank
    dilations = site.ints("dilations") or (1,) * rank
    given = site.ints("pads") or (0,) * (2 * rank)
    fits = len(strides) == len(dilations) == rank and len(given) == 2 * rank
    require(fits, f"strides {strides}, dilations {dilations}, pads {given} for a kernel {kernel}")
    positive = min(*kernel, *strides, *dilations) > 0 and min(given) >= 0
    require(positive, f"kernel {kernel}, strides {strides}, dilations {dilations}, pads {given}")
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    begin, end = padding(site, sizes, spans, strides, given)
    limit(
        [n + b + e for n, b, e in zip(sizes, begin, end, strict=True)] + list(site.shape(0)[1:2]),
        "the padded input",
    )
    counts, beyond = [], []
    for size, span, stride, b, e in zip(sizes, spans, strides, begin, end, strict=True):
        room = size + b + e - span
        require(room >= 0, f"a window of {span} in a dimension of {size} padded by {b} and {e}")
        count = room // stride + 1
        require(
            not (ceil_mode and room % stride and site.attribute("auto_pad", "NOTSET") != "NOTSET"),
            "auto_pad together with ceil_mode, where rounding matters",
        )
        if ceil_mode and room % stride and count * stride < size + b:
            count += 1  # one more window, which starts inside the input or its left padding
        counts.append(count)
        beyond.append(max(0, (count - 1) * stride - room))
    return Windows(
        tuple(sizes), tuple(kernel), strides, dilations, begin, end, tuple(beyond), tuple(counts)
    )


def pool_windows(site: Site) -> Windows:
    """The windows of a pool, none of them over padding alone.

    Where a pool's own padding formula has no meaning (it asks for less than nothing) or leaves
    out the dilation, the standard's text and runtimes disagree: refused.
    """
    found = windows(site, site.ints("kernel_shape") or (), bool(site.attribute("ceil_mode", 0)))
    if site.attribute("auto_pad", "NOTSET").startswith("SAME"):
        dilated = any(d > 1 for d in found.dilations)
        require(not dilated, "auto_pad SAME together with dilations in a pool")
        gaps = [
            (count - 1) * stride + kernel < size
            for count, stride, kernel, size in zip(
                found.counts, found.strides, found.kernel, found.sizes, strict=True
            )
        ]
        require(not any(gaps), "auto_pad SAME with a stride that skips the end of the input")
    for dimension, size in enumerate(found.sizes):
        empty = [w for w in found.places(dimension) if not any(0 <= n < size for n in w)]
        require(not empty, f"a window over padding alone: {found}")
    return found


def padding(
    site: Site,
    sizes: tuple[int, ...],
    spans: list[int],
    strides: tuple[int, ...],
    given: tuple[int, ...],
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Padding before and after each dimension, as `auto_pad` or `pads` say."""
    mode, rank = site.attribute("auto_pad", "NOTSET"), len(sizes)
    if mode == "NOTSET":
        return tuple(given[:rank]), tuple(given[rank:])
    require(mode in ("SAME_UPPER", "SAME_LOWER", "VALID"), f"auto_pad {mode!r}")
    require(not any(given), f"both auto_pad {mode!r} and pads {given}")
    if mode == "VALID":
        return (0,) * rank, (0,) * rank
    totals = [
        max(0, (-(-size // stride) - 1) * stride + span - size)
        for size, span, stride in zip(sizes, spans, strides, strict=True)
    ]
    small, large = tuple(n // 2 for n in totals), tuple(n - n // 2 for n in totals)
    return (small, large) if mode == "SAME_UPPER" else (large, small)
