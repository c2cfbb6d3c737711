package guest

// NonceSize is the length of what [Nonce] returns.
const NonceSize = 16

// Nonce returns a random text of digits and letters that nobody has seen before.
func Nonce() string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" // 5 bits each
	var b [NonceSize]byte
	random(b[:])
	for i := range b {
		b[i] = alphabet[b[i]%byte(len(alphabet))]
	}
	return string(b[:])
}
