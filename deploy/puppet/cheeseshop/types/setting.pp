# The value of a setting.
type Cheeseshop::Setting = Variant[String, Integer, Float, Boolean, Array[Variant[String, Integer]]]
