"""The ClariCodec speech codec: 16 kHz PCM to 3 bytes per 80 ms (300 bit/s) and back.

from gateway.codec import Codec
codec = Codec.load()
raw = codec.encode(pcm)      # float32 (samples,), -1..1
heard = codec.decode(raw)
"""

from gateway.codec.codec import Codec, DecoderStream, EncoderStream
from gateway.codec.pace import SearchPace
from gateway.codec.search import SearchSettings
from gateway.codec.spec import CodecSpec

__all__ = ["Codec", "CodecSpec", "DecoderStream", "EncoderStream", "SearchPace", "SearchSettings"]
