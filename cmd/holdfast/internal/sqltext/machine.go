package sqltext

// A token is all that the machine tells apart.
type token uint8

const (
	semicolon token = iota
	space           // or a comment
	other
	explain
	create
	temp // TEMP or TEMPORARY
	trigger
	end
)

// A state is what was seen of the present statement.
type state uint8

const (
	atNothing     state = iota // no token yet
	atStart                    // a statement has just ended: the only complete state
	inStatement                // one that the next semicolon ends
	afterExplain               // EXPLAIN, which CREATE may follow
	afterCreate                // CREATE, which TEMP and TRIGGER may follow
	inTrigger                  // CREATE TRIGGER
	afterBodySemi              // CREATE TRIGGER ... ;
	afterBodyEnd               // CREATE TRIGGER ... ; END
)

// moves says where a token leads. White space and comments change nothing.
var moves = [...][8]state{
	//             semicolon, space, other, explain, create, temp, trigger, end
	atNothing:     {atStart, atNothing, inStatement, afterExplain, afterCreate, inStatement, inStatement, inStatement},
	atStart:       {atStart, atStart, inStatement, afterExplain, afterCreate, inStatement, inStatement, inStatement},
	inStatement:   {atStart, inStatement, inStatement, inStatement, inStatement, inStatement, inStatement, inStatement},
	afterExplain:  {atStart, afterExplain, afterExplain, inStatement, afterCreate, inStatement, inStatement, inStatement},
	afterCreate:   {atStart, afterCreate, inStatement, inStatement, inStatement, afterCreate, inTrigger, inStatement},
	inTrigger:     {afterBodySemi, inTrigger, inTrigger, inTrigger, inTrigger, inTrigger, inTrigger, inTrigger},
	afterBodySemi: {afterBodySemi, afterBodySemi, inTrigger, inTrigger, inTrigger, inTrigger, inTrigger, afterBodyEnd},
	afterBodyEnd:  {atStart, afterBodyEnd, inTrigger, inTrigger, inTrigger, inTrigger, inTrigger, inTrigger},
}

func (s *Scanner) token(t token) { s.state = moves[s.state][t] }
