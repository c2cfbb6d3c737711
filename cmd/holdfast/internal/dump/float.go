package dump

import (
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"strconv"
	"strings"

	"github.com/holdfastdb/holdfast/cmd/holdfast/internal/render"
)

// literals returns values as SQL expressions between commas.
func literals(values []render.Value) string {
	fields := make([]string, len(values))
	for i, v := range values {
		if fields[i] = render.Literal(v); v.Kind == render.Float {
			fields[i] = floatLiteral(v.Text)
		}
	}
	return strings.Join(fields, ",")
}

// floatLiteral returns an expression for the number that SQLite writes as text.
// That text has enough digits, but SQLite before 3.43 reads one decimal in some
// thousands as a neighbour of what it says. Such a number is written as an integer
// and powers of two, with which nothing is ever rounded.
func floatLiteral(text string) string {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(f, 0) || readAlike(text, f) {
		return render.Literal(render.Value{Kind: render.Float, Text: text})
	}
	fraction, exponent := math.Frexp(f)
	m := int64(math.Ldexp(fraction, 53))
	exponent -= 53
	zeros := bits.TrailingZeros64(uint64(m))
	m, exponent = m>>zeros, exponent+zeros
	var b strings.Builder
	fmt.Fprintf(&b, "%d*1.0", m)
	operator := "*"
	if exponent < 0 {
		operator, exponent = "/", -exponent
	}
	for ; exponent > 0; exponent -= min(exponent, 62) {
		fmt.Fprintf(&b, "%s(1<<%d)", operator, min(exponent, 62))
	}
	return b.String()
}

// readAlike reports whether every version of SQLite reads text as f. They all
// divide or multiply the digits by a power of ten, in doubles or in numbers of 64
// binary digits, and both are exact up to 15 digits and 10^22. Only the wider
// result is rounded twice.
func readAlike(text string, f float64) bool {
	mantissa, exp, _ := strings.Cut(text, "e")
	whole, fraction, _ := strings.Cut(strings.TrimPrefix(mantissa, "-"), ".")
	fraction = strings.TrimRight(fraction, "0")
	exponent, _ := strconv.Atoi(exp)
	exponent -= len(fraction)
	digits, err := strconv.ParseInt(whole+fraction, 10, 64)
	if err != nil || digits >= 1e15 || exponent < -22 || exponent > 22 {
		return false
	}
	wide := new(big.Float).SetPrec(64).SetInt64(digits)
	ten := new(big.Float).SetPrec(64).SetFloat64(math.Pow10(max(exponent, -exponent)))
	if exponent < 0 {
		wide.Quo(wide, ten)
	} else {
		wide.Mul(wide, ten)
	}
	read, _ := wide.Float64()
	return read == math.Abs(f)
}
