package trail

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfastdb/holdfast/locking"
)

// chain is the trail after n writes.
func chain(t Trail, n int) Trail {
	for range n {
		t = t.Next()
	}
	return t
}

func TestJudge(t *testing.T) {
	base := chain(nil, 3)
	mine, other := base.Next(), base.Next()
	first := Trail(nil).Next()
	for _, row := range []struct {
		name          string
		mine, present Trail
		moved         bool
		want          error
	}{
		{"it is there", mine, mine, true, nil},
		{"it was there", mine, chain(mine, 2), true, locking.ErrDoubt},
		{"it was there, long ago", mine, chain(mine, Kept-1), true, locking.ErrDoubt},
		{"nothing happened", mine, base, false, locking.ErrDoubt},
		{"nobody wrote, but it is another version", mine, base, true, locking.ErrConflict},
		{"another one was quicker", mine, other, true, locking.ErrConflict},
		{"others were quicker", mine, chain(other, 5), true, locking.ErrConflict},
		{"the cell is gone", mine, nil, true, locking.ErrConflict},
		{"the cell is another one", mine, chain(nil, 2), true, locking.ErrConflict},
		{"created", first, first, true, nil},
		{"another one created it", first, chain(nil, 1), true, locking.ErrConflict},
		{"created, and replaced", first, chain(first, 1), true, locking.ErrDoubt},
		{"not created", first, nil, false, locking.ErrDoubt},
	} {
		if err := row.mine.Judge(row.present, row.moved); !errors.Is(err, row.want) || (err == nil) != (row.want == nil) {
			t.Errorf("%s: %v, want %v", row.name, err, row.want)
		}
	}
}

// A swap whose outcome could not be looked at is in doubt, and one that is says why.
func TestSettle(t *testing.T) {
	refused, unseen := errors.New("412"), errors.New("no answer")
	base := chain(nil, 1)
	mine := base.Next()
	err := mine.Settle(refused, nil, true, unseen)
	if !errors.Is(err, locking.ErrDoubt) || errors.Is(err, locking.ErrConflict) || !errors.Is(err, refused) || !errors.Is(err, unseen) {
		t.Errorf("without a look: %v", err)
	}
	if err := mine.Settle(refused, base, false, nil); !errors.Is(err, locking.ErrDoubt) || !errors.Is(err, refused) {
		t.Errorf("on its way: %v", err)
	}
	if err := mine.Settle(refused, base.Next(), true, nil); err != locking.ErrConflict {
		t.Errorf("another one was quicker: %v", err)
	}
	if err := mine.Settle(refused, mine, true, nil); err != nil {
		t.Errorf("it is there: %v", err)
	}
}

func TestParse(t *testing.T) {
	for n := range Kept + 3 {
		want := chain(nil, n)
		if len(want) != min(n, Kept) {
			t.Fatalf("after %d writes the trail has %d nonces", n, len(want))
		}
		got, ok := Parse(want.String())
		if diff := cmp.Diff(want, got); diff != "" || !ok {
			t.Errorf("%d: %v (-want +got):\n%s", n, ok, diff)
		}
	}
	one := chain(nil, 1).String()
	for _, bad := range []string{"x", one + ".", "." + one, one[1:], one + "A", strings.ToLower(one),
		strings.Repeat(one+".", Kept) + one} {
		if got, ok := Parse(bad); ok {
			t.Errorf("Parse(%q) = %q", bad, got)
		}
	}
}
